// SPDX-License-Identifier: Apache-2.0
//
// Names files through every entry of libc that takes a path, and through raw
// system calls. Run in an empty directory; compared with strace by
// compare_with_strace.py. Results do not matter, only that the name is seen.

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

#define RUN(call)                 \
  do {                            \
    if ((long)(call) == -12345) { \
      abort();                    \
    }                             \
  } while (0)

static void Touch(const char* path) {
  int fd = open(path, O_WRONLY | O_CREAT, 0644);
  if (fd >= 0) {
    if (write(fd, "x", 1) != 1) {
      abort();
    }
    close(fd);
  }
}

static int Visit(const char* path, const struct stat* s, int type,
                 struct FTW* f) {
  (void)path, (void)s, (void)type, (void)f;
  return 0;
}

static void* StatMany(void* argument) {
  char name[64];
  struct stat s;
  for (int i = 0; i < 50; ++i) {
    snprintf(name, sizeof name, "thread%ld-%d", (long)argument, i);
    RUN(stat(name, &s));
  }
  return NULL;
}

static void Opens(void) {
  struct stat s;
  Touch("plain");
  RUN(open("open-missing", O_RDONLY));
  RUN(openat(AT_FDCWD, "openat-missing", O_RDONLY));
  RUN(creat("created", 0644));
  RUN(open(".", O_TMPFILE | O_RDWR, 0600));
  RUN(open("plain", O_PATH));
  FILE* file = fopen("plain", "r");
  file = freopen("fopened", "w", file);
  fclose(file);
  RUN(stat("stat-missing", &s));
  RUN(lstat("lstat-missing", &s));
  RUN(fstatat(AT_FDCWD, "fstatat-missing", &s, 0));
#ifdef STATX_TYPE
  struct statx x;
  RUN(statx(AT_FDCWD, "statx-missing", 0, STATX_TYPE, &x));
#endif
  RUN(access("access-missing", R_OK));
  RUN(euidaccess("euidaccess-missing", R_OK));
  RUN(faccessat(AT_FDCWD, "faccessat-missing", R_OK, AT_EACCESS));
  struct statfs f;
  RUN(statfs("plain", &f));
}

static void Links(void) {
  char buffer[PATH_MAX];
  RUN(mkdir("real", 0755));
  Touch("real/file");
  RUN(symlink("real", "link"));
  RUN(symlinkat("file", AT_FDCWD, "real/inner"));
  RUN(readlink("link", buffer, sizeof buffer));
  RUN(readlinkat(AT_FDCWD, "readlinkat-missing", buffer, sizeof buffer));
  RUN(realpath("link/inner", buffer));
  RUN(realpath("link/no/such", buffer));
  RUN(link("plain", "hard"));
  RUN(linkat(AT_FDCWD, "plain", AT_FDCWD, "hard2", 0));
  RUN(open("link/inner", O_RDONLY));
  RUN(open("link/../plain", O_RDONLY));
}

static void Directories(void) {
  DIR* d = opendir("real");
  while (readdir(d) != NULL) {
  }
  RUN(fstatat(dirfd(d), "file", &(struct stat){0}, 0));
  RUN(openat(dirfd(d), "relative-missing", O_RDONLY));
  closedir(d);
  struct dirent** names = NULL;
  RUN(scandir("real", &names, NULL, NULL));
  RUN(nftw("real", Visit, 8, FTW_PHYS));
  RUN(nftw("real", Visit, 8, FTW_CHDIR));
  glob_t g;
  RUN(glob("real/*", 0, NULL, &g));
}

static void Changes(void) {
  RUN(mkdirat(AT_FDCWD, "made", 0755));
  RUN(rmdir("made"));
  RUN(rename("hard", "hard-renamed"));
  RUN(renameat(AT_FDCWD, "hard2", AT_FDCWD, "hard2-renamed"));
  RUN(syscall(SYS_renameat2, AT_FDCWD, "created", AT_FDCWD, "plain2", 1));
  RUN(mkfifo("fifo", 0600));
  RUN(mknod("node", S_IFREG | 0600, 0));
  RUN(truncate("plain", 3));
  RUN(chmod("plain", 0600));
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
  RUN(getxattr("xattr-missing", "user.a", NULL, 0));
  RUN(lgetxattr("lxattr-missing", "user.a", NULL, 0));
  RUN(listxattr("listxattr-missing", NULL, 0));
  RUN(removexattr("plain", "user.a"));
  RUN(unlink("hard-renamed"));
  RUN(unlinkat(AT_FDCWD, "hard2-renamed", 0));
  RUN(remove("fifo"));
}

static void RawCalls(void) {
  RUN(syscall(SYS_openat, AT_FDCWD, "raw-openat", O_RDONLY, 0));
#ifdef SYS_open
  RUN(syscall(SYS_open, "raw-open", O_RDONLY, 0));
  RUN(syscall(SYS_stat, "raw-stat", NULL));
  long result;
  __asm__ volatile("syscall"
                   : "=a"(result)
                   : "0"(SYS_open), "D"("asm-open"), "S"(O_RDONLY), "d"(0)
                   : "rcx", "r11", "memory");
#endif
  struct {
    unsigned long long flags, mode, resolve;
  } how = {O_RDONLY, 0, 0};
  RUN(syscall(437, AT_FDCWD, "raw-openat2", &how, sizeof how));
  RUN(open("non-utf8-\xff\xfe", O_RDONLY));
  RUN(open("new\nline \"quoted\" <x>", O_RDONLY));
  // Fails with EFAULT and ENOENT, as it does natively.
  if (open((const char*)8, O_RDONLY) != -1 || errno != EFAULT ||
      open("", O_RDONLY) != -1 || errno != ENOENT) {
    abort();
  }
}

static void MoveAbout(void) {
  RUN(chdir("real"));
  RUN(open("after-chdir", O_RDONLY));
  RUN(chdir(".."));
  int fd = open("link", O_RDONLY | O_DIRECTORY);
  RUN(fchdir(fd));
  RUN(stat("after-fchdir", &(struct stat){0}));
  RUN(chdir("../"));
  RUN(inotify_add_watch(inotify_init(), "real", IN_CREATE));
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
  pid = fork();
  if (pid == 0) {
    char* none[] = {NULL};
    execve("/bin/true", argv, none);
    _exit(1);
  }
  waitpid(pid, NULL, 0);
  FILE* pipe = popen("cat plain > popen-out", "r");
  pclose(pipe);
}

int main(int argc, char** argv, char** env) {
  (void)argc, (void)argv;
  Opens();
  Links();
  Directories();
  Changes();
  RawCalls();
  MoveAbout();
  Children(env);
  pthread_t threads[8];
  for (long i = 0; i < 8; ++i) {
    pthread_create(&threads[i], NULL, StatMany, (void*)i);
  }
  for (int i = 0; i < 8; ++i) {
    pthread_join(threads[i], NULL);
  }
#ifndef NO_DLOPEN
  dlopen("./no-such-library.so", RTLD_NOW);
#endif
  for (int fd = 3; fd < 200; ++fd) {
    close(fd);
  }
  RUN(stat("after-closefrom", &(struct stat){0}));
  return 0;
}
