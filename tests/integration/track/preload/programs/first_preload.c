// SPDX-License-Identifier: Apache-2.0
//
// A user's own preload library, which comes before ours: sees each call first
// and passes it on.

#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>
#include <sys/stat.h>

static int count;

int stat(const char* restrict path, struct stat* restrict status) {
  int (*next)(const char*, struct stat*) =
      (int (*)(const char*, struct stat*))dlsym(RTLD_NEXT, "stat");
  ++count;
  return next(path, status);
}

__attribute__((destructor)) static void Report(void) { printf("%d\n", count); }
