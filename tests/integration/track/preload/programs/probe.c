// SPDX-License-Identifier: Apache-2.0
//
// probe MODE [ARG]: does what a test of the preload library wants done, in the
// working directory. Prints what it finds; exits with 1 if that is wrong.

#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#define CHECK(condition)                                                      \
  do {                                                                        \
    if (!(condition)) {                                                       \
      printf("%s:%d: %s, errno %d\n", __FILE__, __LINE__, #condition, errno); \
      fflush(stdout);                                                         \
      _exit(1);                                                               \
    }                                                                         \
  } while (0)

static struct stat s;

// Enough calls for the library to attach.
static void Warm(void) {
  for (int i = 0; i < 40; ++i) {
    access("warm", F_OK);
  }
}

static void Touch(const char* name) {
  int fd = open(name, O_WRONLY | O_CREAT, 0644);
  CHECK(fd >= 0);
  close(fd);
}

static void StatNumbered(const char* prefix, int from, int to) {
  char name[64];
  for (int i = from; i < to; ++i) {
    snprintf(name, sizeof name, "%s%d", prefix, i);
    CHECK(stat(name, &s) == -1 && errno == ENOENT);
  }
}

// One name for each wrapped entry.
static void Entries(void) {
  char text[256];
  Touch("file");
  CHECK(mkdir("dir", 0755) == 0 && symlink("file", "link") == 0);
  Touch("dir/inner");
  Touch("at-file");
  Touch("open64");
  Touch("c-open");
  Touch("x-open");
  CHECK(mkdir("listed", 0755) == 0 && mkdir("c-listed", 0755) == 0);
  CHECK(symlink("file", "at-link") == 0);
  Warm();
  int fd = open("file", O_RDONLY);
  CHECK(fd >= 0 && close(fd) == 0);
  CHECK(open("open-missing", O_RDONLY) == -1 && errno == ENOENT);
  CHECK((fd = open64("open64", O_RDONLY)) >= 0 && close(fd) == 0);
  CHECK((fd = openat(AT_FDCWD, "at-file", O_RDONLY)) >= 0 && close(fd) == 0);
  CHECK(open("link", O_RDONLY | O_NOFOLLOW) == -1 && errno == ELOOP);
  CHECK((fd = open("listed", O_RDONLY | O_DIRECTORY)) >= 0 && close(fd) == 0);
  CHECK((fd = open("dir", O_PATH)) >= 0);
  CHECK(fstatat(fd, "inner", &s, 0) == 0 && S_ISREG(s.st_mode));
  CHECK(openat(fd, "at-missing", O_RDONLY) == -1 && errno == ENOENT);
  CHECK(faccessat(fd, "fd-access", R_OK, 0) == -1 && errno == ENOENT);
  CHECK(readlinkat(fd, "fd-readlink", text, sizeof text) == -1);
  CHECK(close(fd) == 0);
  DIR* stream = opendir("c-listed");
  CHECK(stream != NULL && readdir(stream) != NULL && closedir(stream) == 0);
  CHECK(opendir("file") == NULL && errno == ENOTDIR);
  CHECK(stat("stat-missing", &s) == -1 && errno == ENOENT);
  CHECK(lstat("at-link", &s) == 0 && S_ISLNK(s.st_mode));
  CHECK(fstatat(AT_FDCWD, "fstatat", &s, AT_SYMLINK_NOFOLLOW) == -1);
  struct statx x;
  CHECK(statx(AT_FDCWD, "statx", 0, STATX_TYPE, &x) == -1 && errno == ENOENT);
  CHECK(access("access", R_OK) == -1 && errno == ENOENT);
  CHECK(faccessat(AT_FDCWD, "eaccess", R_OK, AT_EACCESS) == -1);
  CHECK(euidaccess("euidaccess", R_OK) == -1 && errno == ENOENT);
  CHECK(readlink("link", text, sizeof text) == 4);
  CHECK(readlink("readlink-missing", text, sizeof text) == -1);
  CHECK(syscall(SYS_openat, AT_FDCWD, "c-open", O_RDONLY) >= 0);
  CHECK(syscall(SYS_statx, AT_FDCWD, "c-statx", 0, STATX_TYPE, &x) == -1);
  CHECK(syscall(SYS_newfstatat, AT_FDCWD, "c-stat", &s, 0) == -1);
#ifdef SYS_open
  CHECK(syscall(SYS_open, "x-open", O_RDONLY) >= 0);
  CHECK(syscall(SYS_stat, "x-stat", &s) == -1 && errno == ENOENT);
  CHECK(syscall(SYS_lstat, "x-lstat", &s) == -1 && errno == ENOENT);
  CHECK(syscall(SYS_access, "x-access", 0) == -1 && errno == ENOENT);
  CHECK(syscall(SYS_readlink, "x-readlink", text, 9L) == -1);
#endif
  // Fortified entries, and those of programs linked before glibc 2.33, by name.
  static const struct {
    const char* entry;
    const char* name;
    int argument;  // where the name is
  } kOld[] = {{"__open_2", "open-2", 0},       {"__open64_2", "open64-2", 0},
              {"__openat_2", "openat-2", 1},   {"__xstat", "xstat", 1},
              {"__lxstat64", "lxstat64", 1},   {"__fxstatat", "fxstatat", 2},
              {"__readlink_chk", "rl-chk", 0}, {"eaccess", "eaccess2", 0}};
  for (size_t i = 0; i < sizeof kOld / sizeof kOld[0]; ++i) {
    void* entry = dlsym(RTLD_DEFAULT, kOld[i].entry);
    CHECK(entry != NULL);
    long result = 0;
    if (strcmp(kOld[i].entry, "__readlink_chk") == 0) {
      result = ((ssize_t(*)(const char*, char*, size_t, size_t))entry)(
          kOld[i].name, text, 10, sizeof text);
    } else if (kOld[i].argument == 0) {
      result = ((int (*)(const char*, int))entry)(kOld[i].name, 0);
    } else if (strcmp(kOld[i].entry, "__openat_2") == 0) {
      result =
          ((int (*)(int, const char*, int))entry)(AT_FDCWD, kOld[i].name, 0);
    } else if (kOld[i].argument == 1) {
      result = ((int (*)(int, const char*, void*))entry)(1, kOld[i].name, &s);
    } else {
      result = ((int (*)(int, int, const char*, void*, int))entry)(
          1, AT_FDCWD, kOld[i].name, &s, 0);
    }
    CHECK(result == -1 && errno == ENOENT);
  }
}

// Calls that must never be signed.
static void Plain(void) {
  Touch("old");
  Warm();
  CHECK(open("plain-create", O_RDONLY | O_CREAT, 0600) >= 0);
  CHECK(stat("plain-create", &s) == 0 && (s.st_mode & 0777) == 0600);
  CHECK(open("plain-write", O_WRONLY) == -1 && errno == ENOENT);
  CHECK(open("plain-update", O_RDWR) == -1 && errno == ENOENT);
  CHECK(open("plain-truncate", O_RDONLY | O_TRUNC) == -1);
  int fd = open(".", O_TMPFILE | O_RDWR, 0600);
  CHECK(fd >= 0);
  // A name with AT_EMPTY_PATH, which the filter lets pass: is seen all the
  // same.
  int dir = open(".", O_RDONLY);
  CHECK(fstatat(dir, "empty-flag", &s, AT_EMPTY_PATH) == -1);
  CHECK(errno == ENOENT);
  CHECK(fstatat(dir, "", &s, AT_EMPTY_PATH) == 0 && S_ISDIR(s.st_mode));
  CHECK(fstatat(dir, "", &s, 0) == -1 && errno == ENOENT);
  CHECK(stat("", &s) == -1 && errno == ENOENT);
  CHECK(fstat(dir, &s) == 0 && S_ISDIR(s.st_mode));
  CHECK(fstat(-1, &s) == -1 && errno == EBADF);
  CHECK(openat(-5, "bad-directory", O_RDONLY) == -1 && errno == EBADF);
  char text[64];
  snprintf(text, sizeof text, "/proc/self/fd/%d", open("old", O_RDONLY));
  fd = open(text, O_RDONLY);
  CHECK(fd >= 0);
  CHECK(stat(text, &s) == 0 && S_ISREG(s.st_mode));
  char* volatile same = text;
  CHECK(readlink(text, same, sizeof text) > 0);
  CHECK(open("/proc//self/../self/status", O_RDONLY) >= 0);
  CHECK(access("/dev/stdout", F_OK) == 0);
  // Below /proc, relative names are special as well.
  CHECK(chdir("/proc") == 0 && stat("self/status", &s) == 0);
}

static void BadPointers(void) {
  Warm();
  char* none = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  char* bad[] = {NULL, (char*)1, (char*)-1, none, (char*)0x7000000000000000};
  for (size_t i = 0; i < sizeof bad / sizeof bad[0]; ++i) {
    CHECK(open(bad[i], O_RDONLY) == -1 && errno == EFAULT);
    CHECK(stat(bad[i], &s) == -1 && errno == EFAULT);
    CHECK(access(bad[i], 0) == -1 && errno == EFAULT);
    CHECK(syscall(SYS_openat, AT_FDCWD, bad[i], 0) == -1 && errno == EFAULT);
  }
  CHECK(stat(".", (struct stat*)none) == -1 && errno == EFAULT);
  // A name that ends with its page, one without an end, and too long ones.
  char* page = mmap(NULL, 8192, PROT_READ | PROT_WRITE,
                    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  CHECK(mprotect(page + 4096, 4096, PROT_NONE) == 0);
  for (int size = 1; size < 32; ++size) {
    memset(page + 4096 - size - 1, 'e', (size_t)size);
    CHECK(access(page + 4096 - size - 1, 0) == -1 && errno == ENOENT);
  }
  memset(page, 'a', 4096);
  CHECK(access(page + 4000, 0) == -1 && errno == EFAULT);
  CHECK(access(page, 0) == -1 && errno == ENAMETOOLONG);
  page[300] = '\0';
  CHECK(access(page, 0) == -1 && errno == ENAMETOOLONG);
  page[255] = '\0';
  CHECK(access(page, 0) == -1 && errno == ENOENT);
  for (int i = 0; i < 4094; i += 2) {
    memcpy(page + i, "./", 2);
  }
  page[4094] = 'z';
  page[4095] = '\0';
  CHECK(access(page, 0) == -1 && errno == ENOENT);
}

static void* StatOwn(void* argument) {
  char prefix[32];
  snprintf(prefix, sizeof prefix, "thread%ld-", (long)argument);
  StatNumbered(prefix, 0, 2000);
  return NULL;
}

static void Threads(void) {
  pthread_t threads[8];
  for (long i = 0; i < 8; ++i) {
    CHECK(pthread_create(&threads[i], NULL, StatOwn, (void*)i) == 0);
  }
  for (int i = 0; i < 8; ++i) {
    pthread_join(threads[i], NULL);
  }
}

static void Wait(pid_t child) {
  int status = 0;
  CHECK(waitpid(child, &status, 0) == child && status == 0);
}

static void* StatSome(void* argument) {
  (void)argument;
  StatNumbered("stuck", 0, 10);
  return NULL;
}

// A thread waits for the arena and does not get it, from when we hear of it.
static void StuckThread(void) {
  pthread_t thread;
  CHECK(pthread_create(&thread, NULL, StatSome, NULL) == 0);
  char told;
  CHECK(read(0, &told, 1) == 1);
  StatNumbered("other", 0, 3000);
  pthread_join(thread, NULL);
}

static void Forks(void) {
  CHECK(mkdir("sub", 0755) == 0);
  Warm();
  pid_t child = fork();
  if (child == 0) {
    StatNumbered("child", 0, 500);
    CHECK(chdir("sub") == 0);
    StatNumbered("moved", 0, 500);
    _exit(0);
  }
  StatNumbered("parent", 0, 500);
  Wait(child);
  StatNumbered("later", 0, 100);
}

// The child shares the memory but not the directory.
static void VforkChdir(void) {
  CHECK(mkdir("sub", 0755) == 0);
  Warm();
  for (int i = 0; i < 20; ++i) {
    static char child_name[32];
    snprintf(child_name, sizeof child_name, "vchild%d", i);
    pid_t child = vfork();
    if (child == 0) {
      if (chdir("sub") != 0 || stat(child_name, &s) != -1) {
        _exit(1);
      }
      _exit(0);
    }
    Wait(child);
    StatNumbered("vparent", i, i + 1);
  }
}

static volatile int stop;

static void* StatUntilStopped(void* argument) {
  (void)argument;
  while (!stop) {
    stat("busy", &s);
  }
  return NULL;
}

static void VforkChdirWithThreads(void) {
  pthread_t thread;
  Warm();
  CHECK(pthread_create(&thread, NULL, StatUntilStopped, NULL) == 0);
  VforkChdir();
  stop = 1;
  pthread_join(thread, NULL);
}

// A vfork child of a fork child, which has not yet said whose directory is
// kept.
static void ForkThenVfork(void) {
  CHECK(mkdir("sub", 0755) == 0 && mkdir("fork", 0755) == 0);
  Warm();
  pid_t child = fork();
  if (child == 0) {
    pid_t grandchild = vfork();
    if (grandchild == 0) {
      stat("before", &s);
      if (chdir("sub") != 0 || stat("vchild", &s) != -1) {
        _exit(1);
      }
      _exit(0);
    }
    Wait(grandchild);
    StatNumbered("vparent", 0, 5);
    CHECK(chdir("fork") == 0);
    StatNumbered("vforked", 0, 5);
    _exit(0);
  }
  Wait(child);
}

static int Visit(const char* path, const struct stat* status, int type,
                 struct FTW* walk) {
  (void)status;
  (void)type;
  char name[64];
  snprintf(name, sizeof name, "visit-%s", path + walk->base);
  struct stat own;
  stat(name, &own);
  return 0;
}

// libc changes the directory behind our back.
static void TreeWalk(void) {
  CHECK(mkdir("tree", 0755) == 0 && mkdir("tree/a", 0755) == 0);
  Touch("tree/a/f");
  Warm();
  CHECK(nftw("tree", Visit, 8, FTW_CHDIR | FTW_PHYS) == 0);
}

static void DeletedDirectory(void) {
  CHECK(mkdir("gone", 0755) == 0);
  Warm();
  CHECK(chdir("gone") == 0 && rmdir("../gone") == 0);
  CHECK(stat("nothing", &s) == -1 && errno == ENOENT);
  CHECK(stat("/tmp/../absolute-from-gone", &s) == -1 && errno == ENOENT);
}

static void LookIn(int directory, const char* prefix) {
  char name[64];
  for (int i = 0; i < 3; ++i) {
    snprintf(name, sizeof name, "%s%d", prefix, i);
    CHECK(fstatat(directory, name, &s, 0) == -1 && errno == ENOENT);
  }
}

static void OpenInto(int descriptor, const char* name) {
  int fd = open(name, O_RDONLY | O_DIRECTORY);
  CHECK(fd >= 0);
  if (fd != descriptor) {
    CHECK(dup2(fd, descriptor) == descriptor && close(fd) == 0);
  }
}

// One descriptor is one directory after the other, and each has its name.
static void OpenDirectories(void) {
  const int kFd = 50;
  CHECK(mkdir("a", 0755) == 0 && mkdir("b", 0755) == 0);
  CHECK(mkdir("a/sub", 0755) == 0);
  Warm();
  OpenInto(kFd, "a");
  LookIn(kFd, "in-a");
  OpenInto(kFd, "b");
  LookIn(kFd, "in-b");
  OpenInto(kFd, "a");
  LookIn(kFd, "in-a-again");
  usleep(12000);  // times are coarse on old kernels
  CHECK(rename("a", "c") == 0);
  LookIn(kFd, "in-c");
  // Where inodes are used again, those that follow have that of the removed.
  for (int i = 0; i < 20; ++i) {
    char name[64];
    snprintf(name, sizeof name, "d%d", i);
    CHECK(mkdir(name, 0755) == 0);
    OpenInto(kFd, name);
    snprintf(name, sizeof name, "in-d%d-", i);
    LookIn(kFd, name);
    usleep(12000);
    snprintf(name, sizeof name, "d%d", i);
    CHECK(rmdir(name) == 0);
    LookIn(kFd, "in-removed");
  }
  // A rename above does not show: somebody says it, as the daemon does.
  OpenInto(kFd, "c/sub");
  LookIn(kFd, "in-c-sub");
  CHECK(rename("c", "e") == 0 && chdir(".") == 0);
  LookIn(kFd, "in-e-sub");
}

static void* SwapDescriptors(void* stop) {
  while (!__atomic_load_n((int*)stop, __ATOMIC_ACQUIRE)) {
    OpenInto(50, "a");
    OpenInto(50, "b");
  }
  return NULL;
}

// Another thread puts one directory after the other into a descriptor; whatever
// is seen then, a directory that is opened afterwards has its own name.
static void SwappedDirectories(void) {
  int stop = 0;
  pthread_t thread;
  CHECK(mkdir("a", 0755) == 0 && mkdir("b", 0755) == 0);
  Warm();
  OpenInto(50, "a");
  CHECK(pthread_create(&thread, NULL, SwapDescriptors, &stop) == 0);
  for (int i = 0; i < 100; ++i) {
    for (int j = 0; j < 100; ++j) {
      LookIn(50, "either");
    }
    // The generation is raised, and with it all is forgotten.
    OpenInto(51, "a");
    LookIn(51, "only-a");
    OpenInto(51, "b");
    LookIn(51, "only-b");
    CHECK(chdir(".") == 0);
  }
  __atomic_store_n(&stop, 1, __ATOMIC_RELEASE);
  CHECK(pthread_join(thread, NULL) == 0);
}

static void CloseFrom(void) {
  for (int i = 0; i < 4; ++i) {
    StatNumbered("before", i * 10, i * 10 + 10);
    syscall(SYS_close_range, 3U, ~0U, 0U);
  }
  StatNumbered("after", 0, 20000);  // more than a chunk
}

// Everything works where the library cannot attach.
static void Limits(const char* what) {
  struct rlimit limit = {0, 0};
  if (strcmp(what, "memory") == 0) {
    // What is mapped already, and not much more.
    FILE* statm = fopen("/proc/self/statm", "r");
    unsigned long pages = 0;
    CHECK(fscanf(statm, "%lu", &pages) == 1);
    fclose(statm);
    limit.rlim_cur = limit.rlim_max = (pages + 50) * 4096;
    CHECK(setrlimit(RLIMIT_AS, &limit) == 0);
  } else {
    while (dup(0) >= 0) {
    }
  }
  StatNumbered("limited", 0, 100);
}

static void KillStorm(void) {
  Warm();
  for (int i = 0; i < 60; ++i) {
    pid_t child = fork();
    if (child == 0) {
      char prefix[32];
      snprintf(prefix, sizeof prefix, "killed%d-", i);
      StatNumbered(prefix, 0, 100000);
      _exit(0);
    }
    StatNumbered("parent", i * 100, i * 100 + 100);
    kill(child, SIGKILL);
    waitpid(child, NULL, 0);
  }
}

static void Alarm(void (*handler)(int), int flags, long microseconds) {
  struct sigaction action;
  memset(&action, 0, sizeof action);
  action.sa_handler = handler;
  action.sa_flags = flags;
  CHECK(sigaction(SIGALRM, &action, NULL) == 0);
  struct itimerval timer = {{0, microseconds}, {0, microseconds}};
  CHECK(setitimer(ITIMER_REAL, &timer, NULL) == 0);
}

static sigjmp_buf jump;
static volatile int jumps;

static void JumpOut(int number) {
  (void)number;
  ++jumps;
  siglongjmp(jump, 1);
}

static void JumpStorm(void) {
  volatile int i = 0;
  sigsetjmp(jump, 1);
  Alarm(JumpOut, 0, 200);
  char name[32];
  while (jumps < 1000) {
    snprintf(name, sizeof name, "jump%d", ++i % 5000);
    stat(name, &s);
  }
  struct itimerval none = {{0, 0}, {0, 0}};
  setitimer(ITIMER_REAL, &none, NULL);
  signal(SIGALRM, SIG_IGN);
  StatNumbered("after-jumps", 0, 1000);
}

static volatile int handler_calls;

// A system call behind the library's back, with whatever is in the registers.
static void RawOpen(int number) {
  (void)number;
#if defined(__x86_64__)
  static const char kName[] = "raw-in-handler";
  register long r10 __asm__("r10") = 0;
  long result = SYS_openat;
  __asm__ volatile("syscall"
                   : "+a"(result)
                   : "D"((long)AT_FDCWD), "S"(kName), "d"((long)O_RDONLY),
                     "r"(r10)
                   : "rcx", "r11", "memory");
#else
  syscall(SYS_openat2, -1, "", NULL, 0);
#endif
  ++handler_calls;
}

static void RegisterStorm(void) {
  Warm();
  Alarm(RawOpen, SA_RESTART, 150);
  for (int i = 0; handler_calls < 2000; ++i) {
    stat("storm", &s);
  }
  struct itimerval none = {{0, 0}, {0, 0}};
  setitimer(ITIMER_REAL, &none, NULL);
  printf("%d\n", handler_calls);
}

// No printf: it takes more stack than we leave.
static void LookInHandler(int number) {
  (void)number;
  char name[] = "handler000";
  char* volatile same = name;
  int rest = handler_calls++ % 300;
  for (char* digit = name + 9; rest > 0; rest /= 10) {
    *digit-- = (char)('0' + rest % 10);
  }
  struct stat own;
  stat(name, &own);
  open(name, O_RDONLY);
  readlink(name, same, sizeof name);
}

static char* volatile handler_frame;

static void MeasureFrame(int number) {
  (void)number;
  handler_frame = __builtin_frame_address(0);
}

// On a signal stack of which no more than the kernel's frame and 1536 bytes can
// be used.
static void SmallStack(void) {
  enum { kSize = 65536 };
  char* memory = mmap(NULL, 2 * kSize, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  stack_t stack = {.ss_sp = memory, .ss_size = kSize};
  CHECK(mkdir("sub", 0755) == 0 && sigaltstack(&stack, NULL) == 0);
  struct sigaction action = {.sa_handler = MeasureFrame,
                             .sa_flags = SA_ONSTACK};
  CHECK(sigaction(SIGUSR1, &action, NULL) == 0 && raise(SIGUSR1) == 0);
  size_t used = (size_t)(memory + kSize - handler_frame);
  CHECK(mprotect(memory, kSize, PROT_NONE) == 0);
  stack.ss_sp = memory + (used + 1536);  // ends as much above the guard
  CHECK(sigaltstack(&stack, NULL) == 0);
  Warm();
  Alarm(LookInHandler, SA_RESTART | SA_ONSTACK, 300);
  while (handler_calls < 300) {
    CHECK(chdir("sub") == 0 && chdir("..") == 0);
  }
}

static void Nothing(int number) { (void)number; }

static void Interrupted(void) {
  int interrupted = 0;
  Touch("there");
  Alarm(Nothing, 0, 300);
  for (int i = 0; i < 40000; ++i) {
    if (stat("there", &s) != 0) {
      ++interrupted;
    }
    if (i % 8 == 0) {
      int fd = open("there", O_RDWR | O_CREAT, 0644);
      if (fd < 0) {
        ++interrupted;
      }
      close(fd);
    }
  }
  printf("%d\n", interrupted);
}

// Where a call may fail with EINTR natively, it does.
static void InterruptedFifo(void) {
  CHECK(mkfifo("fifo", 0644) == 0);
  for (int i = 0; i < 2; ++i) {
    Alarm(Nothing, 0, 20000);
    CHECK(open("fifo", O_RDONLY) == -1 && errno == EINTR);
    CHECK(open("fifo", O_WRONLY) == -1 && errno == EINTR);
    struct itimerval none = {{0, 0}, {0, 0}};
    setitimer(ITIMER_REAL, &none, NULL);
    Warm();
  }
}

static void* OpenFifo(void* argument) {
  open((const char*)argument, O_RDONLY);
  return NULL;
}

static void CancelledFifo(void) {
  CHECK(mkfifo("fifo", 0644) == 0);
  Warm();
  pthread_t thread;
  CHECK(pthread_create(&thread, NULL, OpenFifo, (void*)"fifo") == 0);
  usleep(50000);
  CHECK(pthread_cancel(thread) == 0);
  void* result = NULL;
  CHECK(pthread_join(thread, &result) == 0 && result == PTHREAD_CANCELED);
  int old = -1;
  CHECK(pthread_setcanceltype(PTHREAD_CANCEL_DEFERRED, &old) == 0);
  CHECK(old == PTHREAD_CANCEL_DEFERRED);
}

// Writes nonsense into all that it finds of the arena.
static void Scribble(void) {
  Warm();
  StatNumbered("before", 0, 300);
  FILE* maps = fopen("/proc/self/maps", "r");
  char line[512];
  int found = 0;
  unsigned seed = 7;
  while (fgets(line, sizeof line, maps) != NULL) {
    unsigned long from = 0;
    unsigned long to = 0;
    if (strstr(line, "memfd:") == NULL ||
        sscanf(line, "%lx-%lx", &from, &to) != 2) {
      continue;
    }
    ++found;
    for (unsigned long at = from; at < to; at += 4) {
      if (rand_r(&seed) % 3 == 0) {
        *(volatile uint32_t*)at = (uint32_t)rand_r(&seed) << (seed % 17);
      }
    }
    if (to - from == 4096) {
      // The header claims chunks beyond the end of the file, where access is a
      // SIGBUS; and so that one is wanted, the other chunk claims to be full.
      *(volatile uint32_t*)(from + 20) = 4000;
      *(volatile uint32_t*)(from + 24) = 100;
      *(volatile uint32_t*)(from + 36) = 0;  // flags: sign
    } else {
      *(volatile uint32_t*)from = UINT32_MAX - 7;
    }
  }
  fclose(maps);
  CHECK(found == 2);
  for (int round = 0; round < 3; ++round) {
    StatNumbered("scribbled", 0, 3000);
    StatNumbered("before", 0, 300);
  }
  CHECK(open("warm", O_RDONLY) == -1 && errno == ENOENT);
}

static void Fill(const char* count) {
  StatNumbered("filling-the-chunk-with-a-long-name-", 0, atoi(count));
}

// A filter of its own that kills for what the library alone would do.
static void OwnFilter(const char* how) {
  static const int kForbidden[] = {SYS_getcwd, SYS_madvise,    SYS_mmap,
                                   SYS_getpid, SYS_readlinkat, SYS_lseek};
  if (strcmp(how, "attached") == 0 || strcmp(how, "attached-call") == 0) {
    Warm();
  }
  struct sock_filter code[32];
  size_t size = 0;
  code[size++] = (struct sock_filter)BPF_STMT(
      BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr));
  for (size_t i = 0; i < sizeof kForbidden / sizeof kForbidden[0]; ++i) {
    code[size++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K,
                                                (unsigned)kForbidden[i], 0, 1);
    code[size++] =
        (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS);
  }
  code[size++] =
      (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
  struct sock_fprog program = {(unsigned short)size, code};
  if (strcmp(how, "attached-call") == 0) {
    CHECK(syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) == 0);
  } else {
    CHECK(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0);
  }
  StatNumbered("filtered", 0, 100);
  CHECK(chdir("/") == 0);
  StatNumbered("filtered-in-root", 0, 100);
  pid_t child = fork();
  if (child == 0) {
    StatNumbered("filtered-child", 0, 10);
    _exit(0);
  }
  int status = 0;
  CHECK(waitpid(child, &status, 0) == child && status == 0);
}

static void Library(const char* path) {
  Warm();
  void* deep = dlopen(path, RTLD_NOW | RTLD_DEEPBIND);
  CHECK(deep != NULL);
  int (*look)(const char*) = (int (*)(const char*))dlsym(deep, "Look");
  CHECK(look("deep-bound") == -1);
  void* other = dlmopen(LM_ID_NEWLM, path, RTLD_NOW);
  CHECK(other != NULL);
  look = (int (*)(const char*))dlsym(other, "Look");
  CHECK(look("other-namespace") == -1);
}

static void Repeats(void) {
  Warm();
  for (int i = 0; i < 1000; ++i) {
    StatNumbered("again", 0, 10);
  }
  CHECK(chdir(".") == 0);
  StatNumbered("again", 0, 10);
}

static void ManyRepeats(void) {
  Warm();
  for (int i = 0; i < 10; ++i) {
    StatNumbered("of-many", 0, 2000);
  }
}

static void Overflow(const char* entry) {
  char text[64];
  Warm();
  if (strcmp(entry, "readlink") == 0) {
    ((ssize_t(*)(const char*, char*, size_t, size_t))dlsym(
        RTLD_DEFAULT, "__readlink_chk"))("x", text, 100, 10);
  } else {
    ((int (*)(const char*, int))dlsym(RTLD_DEFAULT, "__open_2"))("x", O_CREAT);
  }
}

int main(int argc, char** argv) {
  static const struct {
    const char* name;
    void (*run)(void);
  } kModes[] = {{"entries", Entries},
                {"plain", Plain},
                {"bad-pointers", BadPointers},
                {"threads", Threads},
                {"stuck-thread", StuckThread},
                {"forks", Forks},
                {"vfork-chdir", VforkChdir},
                {"vfork-chdir-threads", VforkChdirWithThreads},
                {"fork-vfork", ForkThenVfork},
                {"tree-walk", TreeWalk},
                {"deleted-directory", DeletedDirectory},
                {"open-directories", OpenDirectories},
                {"swapped-directories", SwappedDirectories},
                {"close-from", CloseFrom},
                {"kill-storm", KillStorm},
                {"jump-storm", JumpStorm},
                {"register-storm", RegisterStorm},
                {"small-stack", SmallStack},
                {"interrupted", Interrupted},
                {"interrupted-fifo", InterruptedFifo},
                {"cancelled-fifo", CancelledFifo},
                {"scribble", Scribble},
                {"warm", Warm},
                {"repeats", Repeats},
                {"many-repeats", ManyRepeats}};
  static const struct {
    const char* name;
    void (*run)(const char*);
  } kModesOfOne[] = {{"limits", Limits},
                     {"fill", Fill},
                     {"own-filter", OwnFilter},
                     {"library", Library},
                     {"overflow", Overflow}};
  for (size_t i = 0; argc == 2 && i < sizeof kModes / sizeof kModes[0]; ++i) {
    if (strcmp(argv[1], kModes[i].name) == 0) {
      kModes[i].run();
      return 0;
    }
  }
  for (size_t i = 0;
       argc == 3 && i < sizeof kModesOfOne / sizeof kModesOfOne[0]; ++i) {
    if (strcmp(argv[1], kModesOfOne[i].name) == 0) {
      kModesOfOne[i].run(argv[2]);
      return 0;
    }
  }
  return 2;
}
