// SPDX-License-Identifier: Apache-2.0
//
// vt_act: the body of the tasks of the oracle and the crash test. Its arguments
// are operations, done one after the other:
//
//   vt_act read:a.txt list:src put:out/b.txt:hello
//
// What it observes is printed and goes into a running digest; what it writes
// ends with that digest. So a file that was made from anything but what is on
// the disk now differs from one that is made now. A failed operation prints its
// error and is observed like anything else: that a path could not be written
// is as much an input as what could be read. The exit code is that of `fail`,
// else 0.
//
// With VP_ORACLE_LOG=FILE in the environment it appends to FILE what it saw
// ("r OPERATION VALUE"), what it could have seen ("h PATH VALUE"), what stood
// where it looked ("k PATH KIND"), the paths that it changed ("w CWD PATH"),
// what stood there before ("b PATH KIND") and in the end ("o PATH STATE"), as
// one block that begins with "a CWD ARGUMENTS".
//
// It makes plain system calls through libc. Linked twice, static (every call is
// notified) and dynamic (after some calls, they are signed; see `warm`).

#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { kMaxText = 1 << 20 };

static uint64_t digest = 14695981039346656037ULL;
static int log_fd = -1;
static char log_text[1 << 16];
static size_t log_size;

// Absolute names that it changed, or made sure of, and what stood there before.
enum { kMaxChanges = 256, kMaxState = PATH_MAX + 64 };
static struct {
  char *path;
  char *before;
} changes[kMaxChanges];
static size_t change_count;

static void Log(const char *kind, const char *a, const char *b) {
  if (log_fd < 0) {
    return;
  }
  const int n = snprintf(log_text + log_size, sizeof log_text - log_size,
                         "%s %s %s\n", kind, a, b);
  if (n > 0 && log_size + (size_t)n < sizeof log_text) {
    log_size += (size_t)n;
  }
}

static void Mix(const char *bytes, size_t size) {
  for (size_t i = 0; i < size; ++i) {
    digest = (digest ^ (unsigned char)bytes[i]) * 1099511628211ULL;
  }
}

static uint64_t Digest(const char *bytes, size_t size) {
  const uint64_t before = digest;
  digest = 14695981039346656037ULL;
  Mix(bytes, size);
  const uint64_t found = digest;
  digest = before;
  return found;
}

static const char *ErrorName(void) { return strerrorname_np(errno); }

static char TypeOf(mode_t mode) {
  return S_ISREG(mode) ? 'f' : S_ISDIR(mode) ? 'd' : S_ISLNK(mode) ? 'l' : '?';
}

// What else the cache takes note of at a path that is looked at ("k") or
// changed ("b"), beside what the operation says of it.
static void LogKind(const char *kind, const char *path) {
  struct stat status;
  char value[PATH_MAX + 8];
  if (log_fd < 0) {
    return;
  }
  if (lstat(path, &status) != 0) {
    Log(kind, path, ErrorName());
    return;
  }
  value[0] = TypeOf(status.st_mode);
  value[1] = (status.st_mode & 0100) != 0 ? 'x' : '-';
  const ssize_t n =
      S_ISLNK(status.st_mode) ? readlink(path, value + 2, PATH_MAX) : 0;
  value[2 + (n < 0 ? 0 : n)] = '\0';
  Log(kind, path, value);
  if (S_ISLNK(status.st_mode) && stat(path, &status) == 0) {
    value[0] = TypeOf(status.st_mode);
    value[2] = '\0';
    Log(kind, path, value);
  }
}

// `value` of what `operation` looked at.
static void Saw(const char *operation, const char *value) {
  Mix(operation, strlen(operation));
  Mix(value, strlen(value));
  printf("%s = %s\n", operation, value);
  Log("r", operation, value);
}

// It is said only if it failed.
static int Did(const char *operation, int result) {
  if (result < 0) {
    Saw(operation, ErrorName());
  }
  return result;
}

static int ByName(const struct dirent **a, const struct dirent **b) {
  return strcmp((*a)->d_name, (*b)->d_name);
}

static int IsNoDot(const struct dirent *entry) {
  return strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0;
}

// Names and types; -1 with errno.
static int Entries(const char *path, char *value, size_t room) {
  struct dirent **entries = NULL;
  const int n = scandir(path, &entries, IsNoDot, ByName);
  size_t size = 0;
  value[0] = '\0';
  for (int i = 0; i < n; ++i) {
    const unsigned char type = entries[i]->d_type;
    const int written = snprintf(value + size, room - size, "%s%s%s",
                                 i == 0 ? "" : ",", entries[i]->d_name,
                                 type == DT_DIR   ? "/"
                                 : type == DT_LNK ? "@"
                                                  : "");
    if (written > 0 && size + (size_t)written < room) {
      size += (size_t)written;
    }
    free(entries[i]);
  }
  free(entries);
  return n;
}

// Who opens a file can learn more than what is in it, by calls that are not
// notified: its permission (fstat), the entries of a directory (getdents). So
// that is taken for seen, whether it is asked or not.
static void LogHanded(const char *path, int fd) {
  struct stat status;
  if (log_fd < 0 || fstat(fd, &status) != 0) {
    return;
  }
  if (S_ISDIR(status.st_mode)) {
    char value[1 << 14];
    Entries(path, value, sizeof value);
    Log("h", path, value);
  } else {
    Log("h", path, (status.st_mode & 0100) != 0 ? "x" : "-");
  }
}

// The whole file, 0-terminated; NULL with errno.
static char *Slurp(const char *path, size_t *size, int is_seen) {
  const int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) {
    return NULL;
  }
  if (is_seen) {
    LogHanded(path, fd);
  }
  char *text = malloc(kMaxText + 1);
  *size = 0;
  ssize_t n;
  while ((n = read(fd, text + *size, kMaxText - *size)) > 0) {
    *size += (size_t)n;
  }
  const int error = errno;
  close(fd);
  if (n < 0) {
    free(text);
    errno = error;
    return NULL;
  }
  text[*size] = '\0';
  return text;
}

// What stands at `path`; false: nothing does.
static int StateOf(const char *path, char *value) {
  struct stat status;
  if (lstat(path, &status) != 0) {
    value[0] = '\0';
    return 0;
  }
  if (S_ISLNK(status.st_mode)) {
    const ssize_t n = readlink(path, value + 1, PATH_MAX);
    value[0] = 'l';
    value[1 + (n < 0 ? 0 : n)] = '\0';
    return 1;
  }
  size_t size = 0;
  char *text = NULL;
  if (S_ISREG(status.st_mode)) {
    text = Slurp(path, &size, 0);
  }
  snprintf(value, kMaxState, "%c%03o %016" PRIx64, TypeOf(status.st_mode),
           status.st_mode & 07777, text == NULL ? 0 : Digest(text, size));
  free(text);
  return 1;
}

// What stands at `path` in the end is what the action has left there.
static void Leaves(const char *path) {
  char parent[PATH_MAX], real[PATH_MAX], full[2 * PATH_MAX], before[kMaxState];
  const char *slash = strrchr(path, '/');
  const int length = slash == NULL ? 0 : (int)(slash - path);
  snprintf(parent, sizeof parent, "%.*s", length, path);
  if (log_fd < 0 || realpath(length == 0 ? "." : parent, real) == NULL) {
    return;
  }
  snprintf(full, sizeof full, "%s/%s", real, slash == NULL ? path : slash + 1);
  for (size_t i = 0; i < change_count; ++i) {
    if (strcmp(changes[i].path, full) == 0) {
      return;
    }
  }
  if (change_count < kMaxChanges) {
    StateOf(path, before);
    changes[change_count].path = strdup(full);
    changes[change_count++].before = strdup(before);
  }
}

// `path` is about to be changed.
static void LogChange(const char *path) {
  char directory[PATH_MAX];
  if (log_fd >= 0 && getcwd(directory, sizeof directory) != NULL) {
    Log("w", path[0] == '/' ? "" : directory, path);
    LogKind("b", path); // something else at an output is in its way
  }
}

static void Changes(const char *path) {
  Leaves(path);
  LogChange(path);
}

// Links that are followed are read, by the kernel: those on the way, and unless
// the call is about the link itself, the end.
static void LogLinks(const char *path, int is_end_followed) {
  char name[PATH_MAX], text[PATH_MAX];
  snprintf(name, sizeof name, "%s", path);
  for (char *at = name + 1; log_fd >= 0; ++at) {
    const char end = *at;
    if (end == '/' || (end == '\0' && is_end_followed)) {
      *at = '\0';
      const ssize_t n = readlink(name, text, sizeof text - 1);
      if (n >= 0) {
        text[n] = '\0';
        Log("h", name, text);
      }
      *at = end;
    }
    if (end == '\0') {
      return;
    }
  }
}

// The same of one that is about to be opened for writing: what a link leads to
// is changed.
static void Writes(const char *path) {
  char end[PATH_MAX];
  struct stat status;
  Changes(path);
  LogLinks(path, 1);
  if (log_fd >= 0 && lstat(path, &status) == 0 && S_ISLNK(status.st_mode)) {
    const int n = (int)readlink(path, end, sizeof end - 1);
    const char *slash = strrchr(path, '/');
    char target[2 * PATH_MAX];
    snprintf(target, sizeof target, "%.*s%.*s",
             end[0] == '/' || slash == NULL ? 0 : (int)(slash - path) + 1, path,
             n < 0 ? 0 : n, end);
    Changes(target); // one link is all that edits make
  }
}

// A removed file is lost, and so an input (decisions H5).
static void FlushLog(void) {
  for (size_t i = 0; i < change_count; ++i) {
    char now[kMaxState];
    if (StateOf(changes[i].path, now)) {
      Log("o", changes[i].path, now);
    } else if (changes[i].before[0] != '\0') {
      Log("o gone", changes[i].path, changes[i].before);
    }
  }
  if (log_fd >= 0 && log_size > 0) {
    const ssize_t n = write(log_fd, log_text, log_size);
    (void)n;
    log_size = 0;
  }
}

static int WriteFile(const char *path, int flags, mode_t mode, const char *text,
                     size_t size) {
  const int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC | flags, mode);
  if (fd < 0) {
    return -1;
  }
  const ssize_t n = write(fd, text, size);
  return close(fd) == 0 && n == (ssize_t)size ? 0 : -1;
}

static void Read(const char *operation, const char *path, int is_said) {
  size_t size = 0;
  char *text = Slurp(path, &size, 1);
  char value[64];
  if (text == NULL) {
    snprintf(value, sizeof value, "%s", ErrorName());
  } else {
    snprintf(value, sizeof value, "%016" PRIx64, Digest(text, size));
  }
  if (is_said) {
    Saw(operation, value);
  } else {
    Log("r", operation, value);
  }
  free(text);
}

static void Stat(const char *operation, const char *path, int flags) {
  struct stat status;
  char value[64];
  if (fstatat(AT_FDCWD, path, &status, flags) != 0) {
    Saw(operation, ErrorName());
    return;
  }
  const int is_file = S_ISREG(status.st_mode);
  snprintf(value, sizeof value, "%c%lld%s", TypeOf(status.st_mode),
           is_file ? (long long)status.st_size : 0LL,
           is_file && (status.st_mode & 0100) != 0 ? "x" : "");
  Saw(operation, value);
}

static void List(const char *operation, const char *path) {
  char value[1 << 14];
  Saw(operation, Entries(path, value, sizeof value) < 0 ? ErrorName() : value);
}

static int MakeDirectory(const char *path) {
  struct stat status;
  if (log_fd >= 0) {
    Leaves(path); // if it is not made now, then the next time
    if (lstat(path, &status) != 0) {
      LogChange(path);
    }
  }
  return mkdir(path, 0755) == 0 ||
                 (errno == EEXIST && stat(path, &status) == 0 &&
                  S_ISDIR(status.st_mode))
             ? 0
             : -1;
}

static int MakeParents(const char *path) {
  char copy[PATH_MAX];
  snprintf(copy, sizeof copy, "%s", path);
  for (char *at = copy + 1; *at != '\0'; ++at) {
    if (*at == '/') {
      *at = '\0';
      if (MakeDirectory(copy) != 0) {
        return -1;
      }
      *at = '/';
    }
  }
  return 0;
}

static void Read(const char *operation, const char *path, int is_said);

static void RemoveTree(const char *operation, const char *path) {
  struct dirent **entries = NULL;
  struct stat status;
  if (lstat(path, &status) != 0) {
    return; // as rm -rf
  }
  if (!S_ISDIR(status.st_mode)) {
    if (log_fd >= 0) {
      Read(operation, path, 0); // what goes is seen, but only by its digest
    }
    LogChange(path);
    Did(operation, unlink(path));
    return;
  }
  const int n = scandir(path, &entries, IsNoDot, ByName);
  for (int i = 0; i < n; ++i) {
    char child[PATH_MAX];
    snprintf(child, sizeof child, "%s/%s", path, entries[i]->d_name);
    RemoveTree(operation, child);
    free(entries[i]);
  }
  free(entries);
  LogChange(path);
  Did(operation, rmdir(path));
}

static void Put(const char *operation, const char *verb, const char *path,
                const char *text) {
  char line[4096];
  const int n =
      snprintf(line, sizeof line, "%s %016" PRIx64 "\n", text, digest);
  const size_t size = n < 0 ? 0 : (size_t)n;
  if (strcmp(verb, "swap") == 0 || strcmp(verb, "make") == 0) {
    Changes(path); // not what a link leads to
  } else {
    Writes(path);
  }
  if (strcmp(verb, "put") == 0) {
    Did(operation, WriteFile(path, O_TRUNC, 0644, line, size));
  } else if (strcmp(verb, "append") == 0) {
    Did(operation, WriteFile(path, O_APPEND, 0644, line, size));
  } else if (strcmp(verb, "make") == 0) { // fails if it is there
    Did(operation, WriteFile(path, O_EXCL, 0644, line, size));
  } else if (strcmp(verb, "script") == 0) {
    Did(operation, WriteFile(path, O_TRUNC, 0755, line, size));
  } else { // swap: written beside, then renamed
    char beside[PATH_MAX];
    snprintf(beside, sizeof beside, "%s.tmp", path);
    Writes(beside);
    if (Did(operation, WriteFile(beside, O_TRUNC, 0644, line, size)) == 0 &&
        Did(operation, rename(beside, path)) < 0) {
      unlink(beside);
    }
  }
}

// Rewrites a file in place, as a formatter does: the second time changes
// nothing.
static void Format(const char *operation, const char *path) {
  size_t size = 0;
  char *text = Slurp(path, &size, 1);
  Read(operation, path, 0);
  if (text == NULL) {
    Saw(operation, ErrorName());
    return;
  }
  for (size_t i = 0; i < size; ++i) {
    if (text[i] >= 'a' && text[i] <= 'z') {
      text[i] = (char)(text[i] - 'a' + 'A');
    }
  }
  Writes(path);
  Did(operation, WriteFile(path, O_TRUNC, 0644, text, size));
  free(text);
}

// A file of its own that says what it made the last time and of what, as
// .tsbuildinfo does: if that is still so, it is not written again. Whatever was
// there before, the same is there after.
static void Incremental(const char *operation, const char *path) {
  char line[64];
  size_t size = 0;
  const int n = snprintf(line, sizeof line, "info %016" PRIx64 "\n", digest);
  char *text = Slurp(path, &size, 1);
  Read(operation, path, 0);
  if (text == NULL || size != (size_t)n || memcmp(text, line, size) != 0) {
    Writes(path);
    Did(operation, WriteFile(path, O_TRUNC, 0644, line, (size_t)n));
  } else {
    Writes(path);
  }
  free(text);
}

// Bytes that do not compress, made of what was seen.
static void Big(const char *operation, const char *path, size_t size) {
  char *text = malloc(size);
  uint64_t state = digest | 1;
  for (size_t i = 0; i < size; ++i) {
    state = state * 6364136223846793005ULL + 1442695040888963407ULL;
    text[i] = (char)(state >> 56);
  }
  Writes(path);
  Did(operation, WriteFile(path, O_TRUNC, 0644, text, size));
  free(text);
}

static int Run(int count, char **operations);

static void Fork(int count, char **operations) {
  fflush(stdout);
  const pid_t pid = fork();
  if (pid == 0) {
    const int code = Run(count, operations);
    fflush(stdout);
    FlushLog();
    _exit(code);
  }
  int status = 0;
  log_size = 0; // the child has it
  waitpid(pid, &status, 0);
}

// One operation; the number of further operations that are skipped.
static int Do(const char *operation) {
  char copy[PATH_MAX + 4096];
  snprintf(copy, sizeof copy, "%s", operation);
  char *verb = copy;
  char *path = strchr(copy, ':');
  if (path != NULL) {
    *path++ = '\0';
  } else {
    path = copy + strlen(copy);
  }
  char *more = strchr(path, ':');
  if (more != NULL) {
    *more++ = '\0';
  } else {
    more = path + strlen(path);
  }
  const char *looks[] = {"read", "peek", "probe", "lstat", "stat", "link",
                         "list", "if",   "odd",   "fail",  "copy", "format"};
  for (size_t i = 0; i < sizeof looks / sizeof *looks; ++i) {
    if (strcmp(verb, looks[i]) == 0) {
      LogKind("k", path);
      LogLinks(path, strcmp(verb, "lstat") != 0 && strcmp(verb, "link") != 0);
    }
  }
  const char *known[] = {"put", "append", "make", "script", "swap"};
  for (size_t i = 0; i < sizeof known / sizeof *known; ++i) {
    if (strcmp(verb, known[i]) == 0) {
      Put(operation, verb, path, more);
      return 0;
    }
  }
  if (strcmp(verb, "read") == 0) {
    Read(operation, path, 1);
  } else if (strcmp(verb, "peek") == 0) { // reads, and does nothing with it
    Read(operation, path, 0);
  } else if (strcmp(verb, "probe") == 0) {
    Saw(operation, access(path, F_OK) == 0 ? "yes" : ErrorName());
  } else if (strcmp(verb, "lstat") == 0) {
    Stat(operation, path, AT_SYMLINK_NOFOLLOW);
  } else if (strcmp(verb, "stat") == 0) {
    Stat(operation, path, 0);
  } else if (strcmp(verb, "list") == 0) {
    List(operation, path);
  } else if (strcmp(verb, "link") == 0) {
    char text[PATH_MAX];
    const ssize_t n = readlink(path, text, sizeof text - 1);
    text[n < 0 ? 0 : n] = '\0';
    Saw(operation, n < 0 ? ErrorName() : text);
  } else if (strcmp(verb, "env") == 0) {
    const char *value = getenv(path);
    Saw(operation, value == NULL ? "unset" : value);
  } else if (strcmp(verb, "say") == 0) {
    printf("%s\n", path);
  } else if (strcmp(verb, "warn") == 0) {
    fflush(stdout);
    fprintf(stderr, "%s\n", path);
  } else if (strcmp(verb, "mkdir") == 0) { // mkdir -p
    if (Did(operation, MakeParents(path)) == 0 && MakeDirectory(path) != 0) {
      Saw(operation, ErrorName());
    }
  } else if (strcmp(verb, "rmrf") == 0) {
    RemoveTree(operation, path);
  } else if (strcmp(verb, "rm") == 0) { // rm -f
    Changes(path);
    if (unlink(path) != 0 && errno != ENOENT) {
      Saw(operation, ErrorName());
    }
  } else if (strcmp(verb, "rmdir") == 0) {
    Changes(path);
    Did(operation, rmdir(path));
  } else if (strcmp(verb, "move") == 0) {
    Changes(path);
    Changes(more);
    Did(operation, rename(path, more));
  } else if (strcmp(verb, "copy") == 0) {
    size_t size = 0;
    char *text = Slurp(path, &size, 1);
    if (text == NULL) {
      Saw(operation, ErrorName());
    } else {
      Read(operation, path, 0);
      Writes(more);
      Did(operation, WriteFile(more, O_TRUNC, 0644, text, size));
      free(text);
    }
  } else if (strcmp(verb, "symlink") == 0) { // ln -sf TEXT PATH
    Changes(more);
    unlink(more);
    Did(operation, symlink(path, more));
  } else if (strcmp(verb, "chmod") == 0) {
    Changes(path);
    Did(operation, chmod(path, (mode_t)strtol(more, NULL, 8)));
  } else if (strcmp(verb, "format") == 0) {
    Format(operation, path);
  } else if (strcmp(verb, "incremental") == 0) {
    Incremental(operation, path);
  } else if (strcmp(verb, "big") == 0) {
    Big(operation, path, (size_t)strtol(more, NULL, 10));
  } else if (strcmp(verb, "pause") == 0) { // microseconds
    usleep((useconds_t)strtol(path, NULL, 10));
  } else if (strcmp(verb, "warm") == 0) {
    // Enough calls for the preload library to attach.
    struct stat status;
    for (int i = 0; i < 24; ++i) {
      (void)stat("/dev/null", &status);
    }
  } else if (strcmp(verb, "if") == 0) { // else the next one is skipped
    const int is_there = access(path, F_OK) == 0;
    Saw(operation, is_there ? "yes" : "no");
    return is_there ? 0 : 1;
  } else if (strcmp(verb, "odd") == 0) { // skips the next one by its content
    size_t size = 0;
    char *text = Slurp(path, &size, 1);
    Read("odd", path, 0);
    const int is_odd = text != NULL && size > 0 && (text[0] & 1) != 0;
    Saw(operation, is_odd ? "yes" : "no");
    free(text);
    return is_odd ? 0 : 1;
  } else if (strcmp(verb, "fail") == 0) { // if it is there
    if (access(path, F_OK) == 0) {
      Saw(operation, "yes");
      return -1;
    }
    Saw(operation, "no");
  } else if (strcmp(verb, "cd") == 0) {
    Did(operation, chdir(path));
  } else {
    fprintf(stderr, "unknown operation %s\n", operation);
    exit(99);
  }
  return 0;
}

static int Run(int count, char **operations) {
  for (int i = 0; i < count; ++i) {
    if (strcmp(operations[i], "fork") == 0) { // the rest in another process
      Fork(count - i - 1, operations + i + 1);
      return 0;
    }
    const int skipped = Do(operations[i]);
    if (skipped < 0) {
      return 3;
    }
    i += skipped;
  }
  return 0;
}

// Removes what this action is to find missing: after "K CWD ARGUMENTS" in the
// file of VP_ORACLE_CLEAN, the paths of the lines "D PATH".
static void CleanUp(const char *directory, const char *arguments) {
  const char *name = getenv("VP_ORACLE_CLEAN");
  FILE *file = name == NULL ? NULL : fopen(name, "re");
  static char key[1 << 16];
  char *line = NULL;
  size_t room = 0;
  int is_mine = 0;
  snprintf(key, sizeof key, "K %s %s\n", directory, arguments);
  while (file != NULL && getline(&line, &room, file) > 0) {
    if (line[0] == 'K') {
      is_mine = strcmp(line, key) == 0;
    } else if (is_mine) {
      line[strcspn(line, "\n")] = '\0';
      remove(line + 2);
    }
  }
  free(line);
  if (file != NULL) {
    fclose(file);
  }
}

int main(int argc, char **argv) {
  const char *log = getenv("VP_ORACLE_LOG");
  char directory[PATH_MAX];
  if (log != NULL && getcwd(directory, sizeof directory) != NULL) {
    log_fd = open(log, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0644);
    static char line[1 << 15];
    size_t size = 0;
    for (int i = 1; i < argc; ++i) {
      const int n = snprintf(line + size, sizeof line - size, " %s", argv[i]);
      size += n > 0 && size + (size_t)n < sizeof line ? (size_t)n : 0;
    }
    Log("a", directory, line);
    CleanUp(directory, line);
  }
  const int code = Run(argc - 1, argv + 1);
  fflush(stdout);
  FlushLog();
  return code;
}
