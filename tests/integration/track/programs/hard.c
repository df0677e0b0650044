// SPDX-License-Identifier: Apache-2.0
//
// hard CASE [ARG]: the cases that are hard for a tracker, one a run
// (tracking-ground-truth.md, C). Prints what it sees, so that a run under the
// tracker can be compared with one without.

#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

static void Report(const char* call, long result) {
  int error = errno;
  printf("%s = %ld%s%s\n", call, result, result < 0 ? ", " : "",
         result < 0 ? strerror(error) : "");
  errno = 0;
}
#define RUN(call) Report(#call, (long)(call))

static struct stat ignored;

static void Put(const char* path, const char* text) {
  int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644);
  if (fd < 0 || write(fd, text, strlen(text)) < 0) {
    perror(path);
    exit(2);
  }
  close(fd);
}

static void StatMany(const char* prefix, int count) {
  char name[64];
  for (int i = 0; i < count; ++i) {
    snprintf(name, sizeof name, "%s-%d", prefix, i);
    if (stat(name, &ignored) == 0 || errno != ENOENT) {
      printf("%s: %s\n", name, strerror(errno));
    }
  }
}

// --- names ------------------------------------------------------------------

static void ExecuteDescriptor(void) {
  int fd = open("/bin/echo", O_RDONLY | O_CLOEXEC);
  char* argv[] = {(char*)"echo", (char*)"by descriptor", NULL};
  fflush(stdout);
  if (fork() == 0) {
    syscall(SYS_execveat, fd, "", argv, environ, AT_EMPTY_PATH);
    _exit(9);
  }
  wait(NULL);
  int directory = open("/bin", O_PATH | O_DIRECTORY);
  if (fork() == 0) {
    syscall(SYS_execveat, directory, "echo", argv, environ, 0);
    _exit(9);
  }
  wait(NULL);
}

static void NameTemporaryFile(void) {
  char name[64];
  int fd = open(".", O_TMPFILE | O_RDWR, 0644);
  RUN(write(fd, "text", 4));
  snprintf(name, sizeof name, "/proc/self/fd/%d", fd);
  RUN(linkat(AT_FDCWD, name, AT_FDCWD, "named", AT_SYMLINK_FOLLOW));
  fd = open(".", O_TMPFILE | O_RDWR, 0644);
  RUN(linkat(fd, "", AT_FDCWD, "named-by-descriptor", AT_EMPTY_PATH));
}

static void RenameDirectory(void) {
  RUN(mkdir("a", 0755));
  RUN(mkdir("a/b", 0755));
  Put("a/b/file", "x");
  RUN(rename("a", "z"));
  RUN(stat("z/b/file", &ignored));
  RUN(stat("a/b/file", &ignored));
  Put("z/b/more", "y");
}

static void ExchangeNames(void) {
  Put("mine", "1");
  RUN(syscall(SYS_renameat2, AT_FDCWD, "mine", AT_FDCWD, "theirs", 2));
  RUN(stat("mine", &ignored));
  RUN(syscall(SYS_renameat2, AT_FDCWD, "mine", AT_FDCWD, "no-such", 2));
}

static void OpenByProc(void) {
  char name[64];
  char byte;
  int fd = open("input", O_PATH);
  snprintf(name, sizeof name, "/proc/self/fd/%d", fd);
  int again = open(name, O_RDONLY);
  RUN(read(again, &byte, 1));
  RUN(stat(name, &ignored));
  snprintf(name, sizeof name, "/dev/fd/%d", open("input2", O_PATH));
  RUN(read(open(name, O_RDONLY), &byte, 1));
  RUN(open("/proc/self/cwd/by-cwd", O_RDONLY));
  RUN(stat("/proc/self/root/etc/passwd", &ignored));
  RUN(open("/proc/thread-self/cwd/by-thread", O_RDONLY));
  RUN(read(open("/proc/self/exe", O_RDONLY), &byte, 1));
}

static void LoseDirectory(void) {
  RUN(mkdir("gone", 0755));
  RUN(chdir("gone"));
  RUN(rmdir("../gone"));
  RUN(stat("inside", &ignored));
  RUN(open("inside", O_RDONLY));
  RUN(open("inside", O_WRONLY | O_CREAT, 0644));
  RUN(stat(".", &ignored));
  RUN(stat("..", &ignored));
  StatMany("inside", 40);
  RUN(chdir(".."));
  RUN(chdir("/"));
  RUN(stat("vt-nothing-here", &ignored));
}

static void UseLongNames(void) {
  static char name[8192];
  for (int length = 4094; length <= 4097; ++length) {
    memset(name, 0, sizeof name);
    for (int i = 0; i < length - 5; i += 2) {
      memcpy(name + i, "./", 2);
    }
    strcat(name, "input");
    while ((int)strlen(name) < length) {
      memmove(name + 1, name, strlen(name));
      name[0] = '.';
      name[1] = '/';
    }
    printf("%d: ", (int)strlen(name));
    RUN(open(name, O_RDONLY));
    RUN(stat(name, &ignored));
  }
  memset(name, 'n', sizeof name);
  name[255] = '\0';
  RUN(open(name, O_RDONLY));
  Put(name, "x");
  name[255] = 'n';
  name[256] = '\0';
  RUN(open(name, O_RDONLY));
  RUN(open(name, O_WRONLY | O_CREAT, 0644));
}

// Deeper than a name may be long, one step at a time.
static void GoDeep(void) {
  char name[201];
  memset(name, 'n', 200);
  name[200] = '\0';
  for (int i = 0; i < 25; ++i) {
    if (mkdir(name, 0755) != 0 || chdir(name) != 0) {
      perror("deep");
    }
  }
  RUN(open("at-the-bottom", O_RDONLY));
  RUN(open("at-the-bottom", O_WRONLY | O_CREAT, 0644));
}

// --- limits and descriptors -------------------------------------------------

static void FillDescriptors(void) {
  struct rlimit limit = {64, 64};
  setrlimit(RLIMIT_NOFILE, &limit);
  int count = 0;
  while (dup(0) >= 0) {
    ++count;
  }
  printf("%d descriptors, %s\n", count, strerror(errno));
  StatMany("full", 60);
  RUN(open("input", O_RDONLY));
  RUN(access("input", R_OK));
  close(40);
  RUN(open("input", O_RDONLY));
}

static void CloseAll(void) {
  RUN(syscall(SYS_close_range, 3, ~0U, 0));
  StatMany("closed", 40);
  RUN(open("input", O_RDONLY));
  RUN(syscall(SYS_close_range, 3, ~0U, 0));
  RUN(open("input", O_RDONLY));
  RUN(dup2(0, 9));
  for (int fd = 3; fd < 1024; ++fd) {
    close(fd);
  }
  RUN(stat("input", &ignored));
  RUN(open("input", O_RDONLY));
}

static void NameMany(void) { StatMany("many", 20000); }

// --- signals and threads ----------------------------------------------------

static volatile sig_atomic_t alarms;
static sigjmp_buf out_of_handler;

static void OnAlarm(int number) {
  (void)number;
  ++alarms;
}

static void OnAlarmJump(int number) {
  (void)number;
  ++alarms;
  siglongjmp(out_of_handler, 1);
}

// Opens by hand, whatever the registers of the interrupted code hold.
static void OnAlarmOpen(int number) {
  (void)number;
  char name[] = "handler-0";
  name[8] = (char)('0' + alarms % 10);
  ++alarms;
#ifdef __x86_64__
  long result;
  __asm__ volatile("syscall"
                   : "=a"(result)
                   : "0"(SYS_open), "D"(name), "S"(O_RDONLY), "d"(0)
                   : "rcx", "r11", "memory");
#endif
}

static void StartTimer(void (*handler)(int), int flags, int period_us) {
  struct sigaction action = {.sa_handler = handler, .sa_flags = flags};
  sigaction(SIGALRM, &action, NULL);
  struct itimerval timer = {{0, period_us}, {0, period_us}};
  setitimer(ITIMER_REAL, &timer, NULL);
}

// stat never fails with EINTR natively, whatever the timer does.
static void StatUnderTimer(int flags) {
  StartTimer(OnAlarm, flags, 300);
  int interrupted = 0;
  char name[64];
  for (int i = 0; i < 40000; ++i) {
    snprintf(name, sizeof name, "timer-%d", i % 100);
    if (stat(name, &ignored) != 0 && errno == EINTR) {
      ++interrupted;
    } else if (errno != ENOENT) {
      printf("stat: %s\n", strerror(errno));
    }
  }
  printf("EINTR %d%s\n", interrupted,
         interrupted > alarms ? ", without a signal" : "");
}

static void JumpOut(void) {
  char name[64];
  volatile int i = 0;
  // Before the timer: the first alarm may be here at once.
  if (sigsetjmp(out_of_handler, 1) == 0) {
    StartTimer(OnAlarmJump, SA_NODEFER, 300);
  } else {
    ++i;
  }
  for (; i < 20000; ++i) {
    snprintf(name, sizeof name, "jump-%d", i % 100);
    (void)!stat(name, &ignored);
  }
  struct itimerval none = {{0, 0}, {0, 0}};
  setitimer(ITIMER_REAL, &none, NULL);
  // On a busy machine it was jumped out of every attempt to attach. In peace one
  // succeeds, which is made after 1000 calls at most.
  for (i = 0; i < 2000; ++i) {
    snprintf(name, sizeof name, "jump-%d", i % 100);
    (void)!stat(name, &ignored);
  }
  printf("done\n");
}

static void ForgeByHandler(void) {
  StartTimer(OnAlarmOpen, SA_RESTART, 200);
  StatMany("main", 40);
  // Once at least: under strace all alarms may have come by now.
  do {
    (void)!stat("main-loop", &ignored);
    (void)!access("main-loop", F_OK);
  } while (alarms < 200);
  printf("done\n");
}

static void* OpenFifo(void* argument) {
  *(volatile pid_t*)argument = (pid_t)syscall(SYS_gettid);
  (void)!open("fifo", O_RDONLY);  // nobody will ever write
  return NULL;
}

static int IsAsleep(pid_t thread) {
  char path[64];
  char text[512] = {0};
  snprintf(path, sizeof path, "/proc/self/task/%d/stat", thread);
  FILE* file = fopen(path, "r");
  if (file != NULL) {
    (void)!fread(text, 1, sizeof text - 1, file);
    fclose(file);
  }
  const char* end = strrchr(text, ')');
  return end != NULL && end[2] == 'S';
}

static void CancelOpen(void) {
  RUN(mkfifo("fifo", 0600));
  StatMany("before-cancel", 40);
  pthread_t thread;
  volatile pid_t tid = 0;
  pthread_create(&thread, NULL, OpenFifo, (void*)&tid);
  while (tid == 0 || !IsAsleep(tid)) {
    sched_yield();
  }
  RUN(pthread_cancel(thread));
  void* result = NULL;
  RUN(pthread_join(thread, &result));
  printf("cancelled: %d\n", result == PTHREAD_CANCELED);
}

// Writes over whatever shared memory it was given.
static void Scribble(void) {
  StatMany("before-scribble", 60);
  FILE* maps = fopen("/proc/self/maps", "r");
  char line[512];
  unsigned long starts[64];
  unsigned long ends[64];
  int count = 0;
  while (count < 64 && fgets(line, sizeof line, maps) != NULL) {
    char mode[8];
    if (strstr(line, "memfd:") != NULL &&
        sscanf(line, "%lx-%lx %7s", &starts[count], &ends[count], mode) == 3 &&
        mode[1] == 'w') {
      ++count;
    }
  }
  fclose(maps);
  for (int i = 0; i < count; ++i) {
    unsigned char* bytes = (unsigned char*)starts[i];
    for (unsigned long j = 0; j < ends[i] - starts[i]; ++j) {
      bytes[j] = (unsigned char)(j * 2654435761U >> 7);
    }
  }
  StatMany("after-scribble", 60);
  RUN(open("input", O_RDONLY));
  fprintf(stderr, "%d\n", count);
}

static void Survive(void) {
  StatMany("storm", 40);
  // How far a child gets is a matter of speed, and slower under strace.
  StatMany("child", 50);
  for (int i = 0; i < 60; ++i) {
    pid_t child = fork();
    if (child == 0) {
      for (;;) {
        StatMany("child", 50);
      }
    }
    usleep((useconds_t)(rand() % 3000));
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
    StatMany("parent", 50);
  }
  printf("done\n");
}

// --- libraries --------------------------------------------------------------

static void UsePlugin(void* library, const char* input) {
  long (*plug)(const char*) = NULL;
  *(void**)&plug = library != NULL ? dlsym(library, "Plug") : NULL;
  printf("plugin: %ld\n", plug != NULL ? plug(input) : -1L);
}

static void LoadPlugin(const char* path, int deep) {
#ifdef __GLIBC__
  StatMany("before-plugin", 40);
  UsePlugin(deep ? dlopen(path, RTLD_NOW | RTLD_DEEPBIND)
                 : dlmopen(LM_ID_NEWLM, path, RTLD_NOW),
            deep ? "input" : "input2");
#else
  (void)path, (void)deep, (void)UsePlugin;
#endif
}

// --- the kernel's own means -------------------------------------------------

// Refuses mkdir with EPERM and lets the rest go.
static void Confine(void) {
  struct sock_filter code[] = {
      {BPF_LD | BPF_W | BPF_ABS, 0, 0, offsetof(struct seccomp_data, nr)},
      {BPF_JMP | BPF_JEQ | BPF_K, 0, 1, SYS_mkdirat},
      {BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ERRNO | EPERM},
#ifdef SYS_mkdir
      {BPF_JMP | BPF_JEQ | BPF_K, 0, 1, SYS_mkdir},
#else
      {BPF_JMP | BPF_JEQ | BPF_K, 0, 1, SYS_mkdirat},
#endif
      {BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ERRNO | EPERM},
      {BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ALLOW},
  };
  struct sock_fprog program = {sizeof code / sizeof code[0], code};
  RUN(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
  RUN(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program));
  RUN(mkdir("refused", 0755));
  StatMany("confined", 40);
  RUN(open("input", O_RDONLY));
  Put("output", "x");
  fflush(stdout);
  if (fork() == 0) {
    execl("/bin/cat", "cat", "input", NULL);
    _exit(9);
  }
  wait(NULL);
}

static void WantListener(void) {
  struct sock_filter code[] = {
      {BPF_RET | BPF_K, 0, 0, SECCOMP_RET_ALLOW},
  };
  struct sock_fprog program = {1, code};
  prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
  RUN(syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER,
              SECCOMP_FILTER_FLAG_NEW_LISTENER, &program));
}

static void WantRing(void) {
  char zeroes[256] = {0};
  RUN(syscall(425, 4, zeroes));
}

static void RemountPrivately(void) {
  RUN(unshare(CLONE_NEWNS));
  RUN(open("input", O_RDONLY));
}

static void ChangeRoot(void) {
  RUN(chroot("sub"));
  RUN(open("/input", O_RDONLY));
}

static void Hide(void) {
  RUN(prctl(PR_SET_DUMPABLE, 0, 0, 0, 0));
  StatMany("hidden", 40);
  RUN(open("input", O_RDONLY));
}

static void TellIds(void) {
  printf("uid %d, effective %d\n", getuid(), geteuid());
}

static void CallForeign(int is_x32) {
#ifdef __x86_64__
  long result;
  if (is_x32) {
    RUN(syscall(0x40000000 + SYS_open, "input", O_RDONLY, 0));
    return;
  }
  // int 0x80 takes addresses of 32 bits.
  char* low = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
  strcpy(low, "input");
  __asm__ volatile("int $0x80"
                   : "=a"(result)
                   : "0"(5L), "b"(low), "c"(O_RDONLY), "d"(0)
                   : "memory");
  RUN(result);
#else
  (void)is_x32;
#endif
}

static const struct {
  const char* name;
  void (*run)(void);
} cases[] = {
    {"execveat", ExecuteDescriptor},
    {"tmpfile", NameTemporaryFile},
    {"rename-directory", RenameDirectory},
    {"exchange", ExchangeNames},
    {"proc", OpenByProc},
    {"lost-cwd", LoseDirectory},
    {"long-names", UseLongNames},
    {"deep", GoDeep},
    {"full", FillDescriptors},
    {"close-all", CloseAll},
    {"many", NameMany},
    {"jump", JumpOut},
    {"forge", ForgeByHandler},
    {"cancel", CancelOpen},
    {"scribble", Scribble},
    {"survive", Survive},
    {"confine", Confine},
    {"want-listener", WantListener},
    {"want-ring", WantRing},
    {"remount", RemountPrivately},
    {"chroot", ChangeRoot},
    {"hide", Hide},
    {"ids", TellIds},
};

int main(int argc, char** argv) {
  const char* name = argc > 1 ? argv[1] : "";
  const char* argument = argc > 2 ? argv[2] : "";
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; ++i) {
    if (strcmp(name, cases[i].name) == 0) {
      cases[i].run();
      return 0;
    }
  }
  if (strcmp(name, "timer") == 0) {
    StatUnderTimer(strcmp(argument, "restart") == 0 ? SA_RESTART : 0);
  } else if (strcmp(name, "plugin-deep") == 0) {
    LoadPlugin(argument, 1);
  } else if (strcmp(name, "plugin-apart") == 0) {
    LoadPlugin(argument, 0);
  } else if (strcmp(name, "foreign") == 0) {
    CallForeign(strcmp(argument, "x32") == 0);
  } else {
    fprintf(stderr, "unknown case %s\n", name);
    return 2;
  }
  return 0;
}
