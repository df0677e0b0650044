// SPDX-License-Identifier: Apache-2.0
//
// What a user may have in LD_PRELOAD: it sees calls first and passes them on.

#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

static int opens;
static int stats;

int open(const char* path, int flags, ...) {
  static int (*next)(const char*, int, ...);
  if (next == NULL) {
    *(void**)&next = dlsym(RTLD_NEXT, "open");
  }
  va_list rest;
  va_start(rest, flags);
  unsigned mode = va_arg(rest, unsigned);
  va_end(rest);
  ++opens;
  return next(path, flags, mode);
}

int stat(const char* restrict path, struct stat* restrict out) {
  static int (*next)(const char*, struct stat*);
  if (next == NULL) {
    *(void**)&next = dlsym(RTLD_NEXT, "stat");
  }
  ++stats;
  return next(path, out);
}

__attribute__((destructor)) static void Tell(void) {
  dprintf(1, "%d opens, %d stats\n", opens, stats);
}
