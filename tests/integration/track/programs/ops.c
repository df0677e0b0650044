// SPDX-License-Identifier: Apache-2.0
//
// ops VERB:ARG[:ARG]...: does to the file system exactly what it is told, in
// order. Results are ignored, unless a verb says otherwise.

#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

static int IsVerb(const char* op, const char* verb) {
  return strcmp(op, verb) == 0;
}

static void Put(const char* path, int flags, const char* text) {
  int fd = open(path, flags, 0644);
  if (fd >= 0) {
    if (write(fd, text, strlen(text)) < 0) {
      perror(path);
    }
    close(fd);
  }
}

static void Get(const char* path) {
  char buffer[4096];
  int fd = open(path, O_RDONLY);
  if (fd >= 0) {
    while (read(fd, buffer, sizeof buffer) > 0) {
    }
    close(fd);
  }
}

static void List(const char* path) {
  DIR* directory = opendir(path);
  if (directory != NULL) {
    while (readdir(directory) != NULL) {
    }
    closedir(directory);
  }
}

static int Socket(const char* path, struct sockaddr_un* address,
                  socklen_t* size) {
  memset(address, 0, sizeof *address);
  address->sun_family = AF_UNIX;
  strncpy(address->sun_path, path, sizeof address->sun_path - 1);
  *size = sizeof *address;
  if (path[0] == '@') {
    address->sun_path[0] = '\0';
    *size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(path));
  }
  return socket(AF_UNIX, SOCK_STREAM, 0);
}

static int DoFile(const char* op, const char* a, const char* b) {
  if (IsVerb(op, "read")) {
    Get(a);
  } else if (IsVerb(op, "write")) {
    Put(a, O_WRONLY | O_CREAT | O_TRUNC, b);
  } else if (IsVerb(op, "append")) {
    Put(a, O_WRONLY | O_CREAT | O_APPEND, b);
  } else if (IsVerb(op, "update")) {
    Put(a, O_RDWR, b);
  } else if (IsVerb(op, "lock")) {
    close(open(a, O_RDWR | O_CREAT, 0644));
  } else if (IsVerb(op, "exclusive")) {
    Put(a, O_WRONLY | O_CREAT | O_EXCL, b);
  } else if (IsVerb(op, "truncate")) {
    (void)!truncate(a, atoi(b));
  } else if (IsVerb(op, "stat")) {
    (void)!stat(a, &(struct stat){0});
  } else if (IsVerb(op, "lstat")) {
    (void)!lstat(a, &(struct stat){0});
  } else if (IsVerb(op, "access")) {
    (void)!access(a, F_OK);
  } else if (IsVerb(op, "list")) {
    List(a);
  } else if (IsVerb(op, "chmod")) {
    (void)!chmod(a, (mode_t)strtol(b, NULL, 8));
  } else if (IsVerb(op, "utimes")) {
    (void)!utimes(a, (struct timeval[2]){{1000, 0}, {1000, 0}});
  } else {
    return 0;
  }
  return 1;
}

static int DoName(const char* op, const char* a, const char* b) {
  if (IsVerb(op, "mkdir")) {
    (void)!mkdir(a, 0755);
  } else if (IsVerb(op, "rmdir")) {
    (void)!rmdir(a);
  } else if (IsVerb(op, "unlink")) {
    (void)!unlink(a);
  } else if (IsVerb(op, "rename")) {
    (void)!rename(a, b);
  } else if (IsVerb(op, "exchange")) {
    (void)!syscall(SYS_renameat2, AT_FDCWD, a, AT_FDCWD, b, 2);
  } else if (IsVerb(op, "link")) {
    (void)!link(a, b);
  } else if (IsVerb(op, "symlink")) {
    (void)!symlink(a, b);
  } else if (IsVerb(op, "readlink")) {
    char buffer[4096];
    (void)!readlink(a, buffer, sizeof buffer);
  } else if (IsVerb(op, "chdir")) {
    (void)!chdir(a);
  } else if (IsVerb(op, "fchdir")) {
    (void)!fchdir(open(a, O_RDONLY | O_DIRECTORY));
  } else if (IsVerb(op, "openat")) {
    (void)!openat(open(a, O_PATH | O_DIRECTORY), b, O_RDONLY);
  } else if (IsVerb(op, "tmpfile")) {
    char name[64];
    int fd = open(".", O_TMPFILE | O_RDWR, 0644);
    snprintf(name, sizeof name, "/proc/self/fd/%d", fd);
    (void)!linkat(AT_FDCWD, name, AT_FDCWD, a, AT_SYMLINK_FOLLOW);
  } else if (IsVerb(op, "reopen")) {
    char name[64];
    snprintf(name, sizeof name, "%s/%d", b, open(a, O_PATH));
    Get(name);
  } else {
    return 0;
  }
  return 1;
}

static int DoSocket(const char* op, const char* a) {
  struct sockaddr_un address;
  socklen_t size;
  if (IsVerb(op, "bind") || IsVerb(op, "listen")) {
    int fd = Socket(a, &address, &size);
    (void)!bind(fd, (struct sockaddr*)&address, size);
    if (IsVerb(op, "listen")) {
      (void)!listen(fd, 1);
    }
  } else if (IsVerb(op, "connect")) {
    int fd = Socket(a, &address, &size);
    (void)!connect(fd, (struct sockaddr*)&address, size);
  } else {
    return 0;
  }
  return 1;
}

// A grandchild of its own session; it reads `a` once `b` appears, then makes
// `b`.done.
static void Daemonise(const char* a, const char* b) {
  if (fork() != 0) {
    wait(NULL);
    return;
  }
  setsid();
  if (fork() != 0) {
    _exit(0);
  }
  for (int i = 0; i < 2000; ++i) {
    if (access(b, F_OK) == 0) {
      break;
    }
    usleep(5000);
  }
  Get(a);
  char done[4096];
  snprintf(done, sizeof done, "%s.done", b);
  Put(done, O_WRONLY | O_CREAT, "x");
  _exit(0);
}

static volatile sig_atomic_t alarms;
static void OnAlarm(int number) {
  (void)number;
  ++alarms;
}

// stat never fails with EINTR, whatever the timer does.
static void Storm(int count) {
  struct sigaction action = {.sa_handler = OnAlarm, .sa_flags = SA_RESTART};
  sigaction(SIGALRM, &action, NULL);
  struct itimerval timer = {{0, 300}, {0, 300}};
  setitimer(ITIMER_REAL, &timer, NULL);
  char name[64];
  for (int i = 0; i < count; ++i) {
    snprintf(name, sizeof name, "storm-%d", i % 100);
    if (stat(name, &(struct stat){0}) == 0 || errno != ENOENT) {
      fprintf(stderr, "stat: %s\n", strerror(errno));
      exit(9);
    }
  }
  timer = (struct itimerval){{0, 0}, {0, 0}};
  setitimer(ITIMER_REAL, &timer, NULL);
}

static void* Worker(void* argument) {
  char name[64];
  for (int i = 0; i < 40; ++i) {
    snprintf(name, sizeof name, "worker-%ld-%d", (long)argument, i);
    Put(name, O_WRONLY | O_CREAT | O_TRUNC, "x");
    Get(name);
    (void)!stat("shared-probe", &(struct stat){0});
    Get("shared-input");
  }
  return NULL;
}

static void Threads(void) {
  pthread_t threads[8];
  for (long i = 0; i < 8; ++i) {
    pthread_create(&threads[i], NULL, Worker, (void*)i);
  }
  for (int i = 0; i < 8; ++i) {
    pthread_join(threads[i], NULL);
  }
}

// By a thread that is not the first: the program that is then has its number.
static void* ThreadExec(void* argv) {
  execv(*(char**)argv, argv);
  _exit(9);
}

// newfstatat(open directory, name, AT_EMPTY_PATH) without libc.
static void FstatRaw(const char* directory, const char* name) {
  struct stat status;
  long fd = open(directory, O_PATH | O_DIRECTORY);
#if defined(__x86_64__)
  long result = SYS_newfstatat;
  register long r10 __asm__("r10") = AT_EMPTY_PATH;
  __asm__ volatile("syscall"
                   : "+a"(result)
                   : "D"(fd), "S"(name), "d"(&status), "r"(r10)
                   : "rcx", "r11", "memory");
#else
  register long x8 __asm__("x8") = SYS_newfstatat;
  register long x0 __asm__("x0") = fd;
  register const char* x1 __asm__("x1") = name;
  register void* x2 __asm__("x2") = &status;
  register long x3 __asm__("x3") = AT_EMPTY_PATH;
  __asm__ volatile("svc #0"
                   : "+r"(x0)
                   : "r"(x8), "r"(x1), "r"(x2), "r"(x3)
                   : "memory");
#endif
  close((int)fd);
}

static void DoOther(const char* op, char* a, const char* b) {
  if (IsVerb(op, "daemon")) {
    Daemonise(a, b);
  } else if (IsVerb(op, "storm")) {
    Storm(atoi(a));
  } else if (IsVerb(op, "threads")) {
    Threads();
  } else if (IsVerb(op, "undumpable")) {
    prctl(PR_SET_DUMPABLE, 0);
  } else if (IsVerb(op, "terminal")) {
    (void)!open("/dev/tty", O_RDONLY);
  } else if (IsVerb(op, "iouring")) {
    char zeroes[256] = {0};
    if (syscall(425, 4, zeroes) != -1 || errno != ENOSYS) {
      exit(9);
    }
  } else if (IsVerb(op, "syscall")) {
    syscall(atol(a), 0, 0, 0, 0, 0, 0);
  } else if (IsVerb(op, "handle")) {
    syscall(SYS_open_by_handle_at, -1, NULL, 0);
  } else if (IsVerb(op, "unshare")) {
    (void)!unshare(CLONE_NEWNS);
  } else if (IsVerb(op, "chroot")) {
    (void)!chroot(a);
  } else if (IsVerb(op, "fstatraw")) {
    FstatRaw(a, b);
  } else if (IsVerb(op, "spawn")) {
    if (fork() == 0) {
      execl(a, a, b, NULL);
      _exit(9);
    }
    wait(NULL);
  } else if (IsVerb(op, "threadexec")) {
    pthread_t thread;
    char* argv[] = {a, (char*)b, NULL};
    pthread_create(&thread, NULL, ThreadExec, argv);
    pthread_join(thread, NULL);
  } else if (IsVerb(op, "fexec")) {
    if (fork() == 0) {
      char* argv[] = {a, NULL};
      fexecve(open(a, O_RDONLY), argv, environ);
      _exit(9);
    }
    wait(NULL);
  } else {
    fprintf(stderr, "unknown: %s\n", op);
    exit(2);
  }
}

int main(int argc, char** argv) {
  for (int i = 1; i < argc; ++i) {
    char* rest = argv[i];
    const char* op = strsep(&rest, ":");
    char* a = strsep(&rest, ":");
    const char* b = strsep(&rest, ":");
    a = a != NULL ? a : (char*)"";
    b = b != NULL ? b : "x";
    if (!DoFile(op, a, b) && !DoName(op, a, b) && !DoSocket(op, a)) {
      DoOther(op, a, b);
    }
  }
  return 0;
}
