// SPDX-License-Identifier: Apache-2.0
//
// A library that looks at a name through whatever libc it was bound to.

#include <sys/stat.h>

int Look(const char* path) {
  struct stat s;
  return stat(path, &s);
}
