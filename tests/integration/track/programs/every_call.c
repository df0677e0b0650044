// SPDX-License-Identifier: Apache-2.0
//
// Names files through every entry of libc that takes a path, and through raw
// system calls. Run in an empty directory by the matrix, which compares what
// was seen with strace. Prints the result of each call, so that a run under
// the tracker can be compared with one without.
//
// Builds with glibc and musl, dynamic, static, and with _FORTIFY_SOURCE=2.

#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <glob.h>
#include <limits.h>
#include <pthread.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>
#include <utime.h>

#ifdef __GLIBC__
#include <fts.h>
#endif

// Says what `call` returned, and errno if it failed.
static void Report(const char* call, long result) {
  int error = errno;
  if (result < 0) {
    printf("%s = %ld, %s\n", call, result, strerror(error));
  } else {
    printf("%s = %ld\n", call, result);
  }
  errno = 0;
}

#define RUN(call) Report(#call, (long)(call))
// Of a pointer only that there is one, or none.
#define RUN_POINTER(call) Report(#call, (call) != NULL ? 1 : -1)

// Not known to the compiler, so that _FORTIFY_SOURCE makes its own calls.
static volatile int read_only = O_RDONLY;

static void Touch(const char* path) {
  int fd = open(path, O_WRONLY | O_CREAT, 0644);
  if (fd < 0 || write(fd, "x", 1) != 1) {
    abort();
  }
  close(fd);
}

static int Visit(const char* path, const struct stat* s, int type,
                 struct FTW* f) {
  (void)path, (void)s, (void)type, (void)f;
  return 0;
}

static int VisitOld(const char* path, const struct stat* s, int type) {
  (void)path, (void)s, (void)type;
  return 0;
}

// So many that a process that may attach to the accelerator has done so.
static void WarmUp(void) {
  char name[32];
  for (int i = 0; i < 40; ++i) {
    snprintf(name, sizeof name, "warm-up-%d", i);
    RUN(stat(name, &(struct stat){0}));
  }
}

static void Opens(void) {
  Touch("plain");
  RUN(open("open-missing", O_RDONLY));
  RUN(open("plain", read_only));
  RUN(open64("plain", read_only));
  RUN(openat(AT_FDCWD, "openat-missing", O_RDONLY));
  RUN(openat(AT_FDCWD, "plain", read_only));
  RUN(openat64(AT_FDCWD, "openat64-missing", read_only));
  RUN(creat("created", 0644));
  RUN(open(".", O_TMPFILE | O_RDWR, 0600));
  RUN(open("plain", O_PATH));
  RUN(open("path-missing", O_PATH));
  RUN(open("plain", O_RDONLY | O_NOFOLLOW));
  RUN(open("plain", O_RDONLY | O_DIRECTORY));
  RUN(open("exclusive", O_WRONLY | O_CREAT | O_EXCL, 0600));
  RUN(open("exclusive", O_WRONLY | O_CREAT | O_EXCL, 0600));
  FILE* file = fopen("plain", "r");
  file = freopen("fopened", "w", file);
  fclose(file);
  RUN_POINTER(fopen("fopen-missing", "r"));
  RUN_POINTER(file = fopen("appended", "a+"));
  fclose(file);
}

static void Stats(void) {
  struct stat s;
  RUN(stat("plain", &s));
  RUN(stat("stat-missing", &s));
  RUN(lstat("plain", &s));
  RUN(lstat("lstat-missing", &s));
  RUN(fstatat(AT_FDCWD, "plain", &s, 0));
  RUN(fstatat(AT_FDCWD, "fstatat-missing", &s, 0));
  RUN(fstatat(AT_FDCWD, "fstatat-nofollow", &s, AT_SYMLINK_NOFOLLOW));
#ifdef STATX_TYPE
  struct statx x;
  RUN(statx(AT_FDCWD, "statx-missing", 0, STATX_TYPE, &x));
  RUN(statx(AT_FDCWD, "plain", AT_SYMLINK_NOFOLLOW, STATX_TYPE, &x));
#endif
  RUN(access("plain", R_OK));
  RUN(access("access-missing", R_OK));
  RUN(euidaccess("euidaccess-missing", R_OK));
  RUN(eaccess("eaccess-missing", R_OK));
  RUN(faccessat(AT_FDCWD, "faccessat-missing", R_OK, 0));
  RUN(faccessat(AT_FDCWD, "faccessat-effective", R_OK, AT_EACCESS));
  struct statfs f;
  RUN(statfs("plain", &f));
  RUN(statfs("statfs-missing", &f));
}

static void Links(void) {
  char buffer[PATH_MAX];
  RUN(mkdir("real", 0755));
  Touch("real/file");
  RUN(symlink("real", "link"));
  RUN(symlinkat("file", AT_FDCWD, "real/inner"));
  RUN(readlink("link", buffer, sizeof buffer));
  RUN(readlink("plain", buffer, sizeof buffer));
  RUN(readlinkat(AT_FDCWD, "readlinkat-missing", buffer, sizeof buffer));
  RUN_POINTER(realpath("link/inner", buffer));
  RUN_POINTER(realpath("link/no/such", buffer));
#ifdef __GLIBC__
  char* name = canonicalize_file_name("link/file");
  RUN_POINTER(name);
  free(name);
#endif
  RUN(link("plain", "hard"));
  RUN(linkat(AT_FDCWD, "plain", AT_FDCWD, "hard2", 0));
  RUN(open("link/inner", O_RDONLY));
  RUN(open("link/../plain", O_RDONLY));
  RUN(open("link", O_RDONLY | O_NOFOLLOW));
  RUN(open("link/", O_RDONLY));
  RUN(stat("plain/below-a-file", &(struct stat){0}));
  RUN(stat("no-such/../plain", &(struct stat){0}));
}

#ifdef __GLIBC__
static void WalkByFts(int options) {
  char* roots[] = {(char*)"real", NULL};
  FTS* walk = fts_open(roots, options, NULL);
  int count = 0;
  while (fts_read(walk) != NULL) {
    ++count;
  }
  RUN(fts_close(walk));
  Report("entries", count);
  // Back in the directory where the walk began.
  RUN(stat("after-fts", &(struct stat){0}));
}
#endif

static void Directories(void) {
  DIR* d = opendir("real");
  while (readdir(d) != NULL) {
  }
  RUN(fstatat(dirfd(d), "file", &(struct stat){0}, 0));
  RUN(openat(dirfd(d), "relative-missing", O_RDONLY));
  closedir(d);
  RUN_POINTER(opendir("opendir-missing"));
  RUN_POINTER(opendir("plain"));
  RUN_POINTER(d = fdopendir(open("real", O_RDONLY | O_DIRECTORY)));
  closedir(d);
  struct dirent** names = NULL;
  RUN(scandir("real", &names, NULL, NULL));
  RUN(nftw("real", Visit, 8, FTW_PHYS));
  RUN(nftw("real", Visit, 8, FTW_CHDIR));
  RUN(ftw("real", VisitOld, 8));
#ifdef __GLIBC__
  WalkByFts(FTS_PHYSICAL);
  WalkByFts(FTS_LOGICAL);
#endif
  glob_t g;
  RUN(glob("real/*", 0, NULL, &g));
  RUN(glob("no*such", 0, NULL, &g));
}

static void NameChanges(void) {
  RUN(mkdirat(AT_FDCWD, "made", 0755));
  RUN(mkdir("made", 0755));
  RUN(rmdir("made"));
  RUN(rmdir("rmdir-missing"));
  RUN(rename("hard", "hard-renamed"));
  RUN(rename("rename-missing", "rename-target"));
  RUN(renameat(AT_FDCWD, "hard2", AT_FDCWD, "hard2-renamed"));
  RUN(syscall(SYS_renameat2, AT_FDCWD, "created", AT_FDCWD, "plain2", 1));
  RUN(mkfifo("fifo", 0600));
  RUN(mknod("node", S_IFREG | 0600, 0));
  RUN(unlink("hard-renamed"));
  RUN(unlink("unlink-missing"));
  RUN(unlinkat(AT_FDCWD, "hard2-renamed", 0));
  RUN(remove("fifo"));
  RUN(remove("remove-missing"));
}

static void ModeChanges(void) {
  RUN(truncate("plain", 3));
  RUN(truncate("truncate-missing", 3));
  RUN(chmod("plain", 0600));
  RUN(chmod("chmod-missing", 0600));
  RUN(fchmodat(AT_FDCWD, "plain", 0644, 0));
  RUN(chown("plain", getuid(), getgid()));
  RUN(lchown("link", getuid(), getgid()));
  RUN(fchownat(AT_FDCWD, "plain", getuid(), getgid(), 0));
  RUN(utime("plain", NULL));
  RUN(utimes("plain", NULL));
  RUN(lutimes("link", NULL));
  RUN(utimensat(AT_FDCWD, "plain", NULL, 0));
  RUN(setxattr("plain", "user.a", "1", 1, 0));
  RUN(lsetxattr("plain", "user.b", "1", 1, 0));
  RUN(getxattr("plain", "user.a", NULL, 0));
  RUN(getxattr("xattr-missing", "user.a", NULL, 0));
  RUN(lgetxattr("lxattr-missing", "user.a", NULL, 0));
  RUN(listxattr("plain", NULL, 0));
  RUN(listxattr("listxattr-missing", NULL, 0));
  RUN(llistxattr("llistxattr-missing", NULL, 0));
  RUN(removexattr("plain", "user.a"));
  RUN(lremovexattr("plain", "user.b"));
}

static void RawCalls(void) {
  struct stat s;
  RUN(syscall(SYS_openat, AT_FDCWD, "raw-openat", O_RDONLY, 0));
#ifdef SYS_open
  RUN(syscall(SYS_open, "raw-open", O_RDONLY, 0));
  RUN(syscall(SYS_stat, "raw-stat", &s));
  RUN(syscall(SYS_lstat, "raw-lstat", &s));
  RUN(syscall(SYS_access, "raw-access", F_OK));
  RUN(syscall(SYS_readlink, "raw-readlink", &s, sizeof s));
  long result;
  __asm__ volatile("syscall"
                   : "=a"(result)
                   : "0"(SYS_open), "D"("asm-open"), "S"(O_RDONLY), "d"(0)
                   : "rcx", "r11", "memory");
  RUN(result);
#endif
  char statx_buffer[256];
  RUN(syscall(SYS_statx, AT_FDCWD, "raw-statx", 0, 1, statx_buffer));
  RUN(syscall(SYS_newfstatat, AT_FDCWD, "raw-fstatat", &s, 0));
  RUN(syscall(439, AT_FDCWD, "raw-faccessat2", F_OK, 0));
  struct {
    unsigned long long flags, mode, resolve;
  } how = {O_RDONLY, 0, 0};
  RUN(syscall(437, AT_FDCWD, "raw-openat2", &how, sizeof how));
  RUN(open("non-utf8-\xff\xfe", O_RDONLY));
  RUN(stat("non-utf8-\xff\xfe-stat", &s));
  RUN(open("new\nline \"quoted\" <x>", O_RDONLY));
  RUN(stat("new\nline-stat", &s));
}

// What the kernel says to a bad pointer must come through.
static void BadArguments(void) {
  struct stat s;
  const char* const bad = (const char*)8;
  RUN(open(bad, O_RDONLY));
  RUN(open("", O_RDONLY));
  RUN(stat(bad, &s));
  RUN(stat("", &s));
#ifdef __GLIBC__
  RUN(stat("plain", (struct stat*)8));  // musl itself writes to it
#endif
  RUN(lstat("", &s));
  RUN(access(bad, F_OK));
  RUN(access("", F_OK));
  RUN(readlink(bad, (char*)&s, sizeof s));
  RUN(openat(999, "bad-directory", O_RDONLY));
  RUN(fstatat(999, "bad-directory", &s, 0));
  RUN(fstatat(AT_FDCWD, "bad-flags", &s, 0x7fff));
}

static void TemporaryNames(void) {
  char* name = tempnam(".", "tmpn");
  RUN_POINTER(name);
  free(name);
  char file[] = "tmpf-XXXXXX";
  RUN(mkstemp(file));
  RUN(unlink(file));
  char directory[] = "tmpd-XXXXXX";
  RUN_POINTER(mkdtemp(directory));
  RUN(rmdir(directory));
}

static void MoveAbout(void) {
  RUN(chdir("real"));
  RUN(open("after-chdir", O_RDONLY));
  RUN(chdir(".."));
  RUN(chdir("chdir-missing"));
  int fd = open("link", O_RDONLY | O_DIRECTORY);
  RUN(fchdir(fd));
  RUN(stat("after-fchdir", &(struct stat){0}));
  RUN(chdir("../"));
  RUN(stat("after-return", &(struct stat){0}));
  RUN(inotify_add_watch(inotify_init(), "real", IN_CREATE));
  RUN(inotify_add_watch(inotify_init(), "inotify-missing", IN_CREATE));
}

static void Children(char** env) {
  pid_t pid;
  char* argv[] = {(char*)"true", (char*)"arg", NULL};
  if (posix_spawnp(&pid, "true", NULL, NULL, argv, env) == 0) {
    waitpid(pid, NULL, 0);
  }
  pid = vfork();
  if (pid == 0) {
    if (chdir("real") != 0) {
      _exit(1);
    }
    execl("./no-such-program", "x", NULL);
    execl("/bin/true", "true", NULL);
    _exit(1);
  }
  waitpid(pid, NULL, 0);
  RUN(stat("parent-relative", &(struct stat){0}));
  fflush(stdout);
  pid = fork();
  if (pid == 0) {
    char* none[] = {NULL};
    char* list[] = {(char*)"ls", NULL};
    if (chdir("real") != 0) {
      _exit(1);
    }
    RUN(stat("child-relative", &(struct stat){0}));
    fflush(stdout);
    execve("/bin/ls", list, none);
    _exit(1);
  }
  waitpid(pid, NULL, 0);
  FILE* pipe = popen("cat plain > popen-out", "r");
  RUN(pclose(pipe));
}

static void* StatMany(void* argument) {
  char name[64];
  struct stat s;
  for (int i = 0; i < 300; ++i) {
    snprintf(name, sizeof name, "thread%ld-%d", (long)argument, i);
    if (stat(name, &s) == 0) {
      abort();
    }
  }
  return NULL;
}

static void Threads(void) {
  pthread_t threads[8];
  for (long i = 0; i < 8; ++i) {
    pthread_create(&threads[i], NULL, StatMany, (void*)i);
  }
  for (int i = 0; i < 8; ++i) {
    RUN(pthread_join(threads[i], NULL));
  }
}

static void Libraries(void) {
#ifndef NO_DLOPEN
  RUN_POINTER(dlopen("./no-such-library.so", RTLD_NOW));
  RUN_POINTER(dlopen("no-such-library-by-name.so", RTLD_NOW));
#ifdef __GLIBC__
  RUN_POINTER(dlopen("libutil.so.1", RTLD_NOW));
#endif
#endif
}

int main(int argc, char** argv, char** env) {
  (void)argc, (void)argv;
  WarmUp();
  Opens();
  Stats();
  Links();
  Directories();
  NameChanges();
  ModeChanges();
  RawCalls();
  BadArguments();
  TemporaryNames();
  MoveAbout();
  Children(env);
  Threads();
  Libraries();
  fflush(stdout);
  // As daemons do; a tracker's descriptors would be among them.
  RUN(syscall(SYS_close_range, 3, ~0U, 0));
  RUN(stat("after-closefrom", &(struct stat){0}));
  RUN(open("plain", O_RDONLY));
  return 0;
}
