// SPDX-License-Identifier: Apache-2.0
//
// Forty looks, without a feature that some libc lacks: for musl, and for the
// sanitizers.

#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

int main(void) {
  struct stat s;
  char name[32];
  for (int i = 0; i < 40; ++i) {
    snprintf(name, sizeof name, "plain%d", i);
    if (stat(name, &s) == 0) {
      return 1;
    }
  }
  if (fork() == 0) {
    for (int i = 40; i < 80; ++i) {
      snprintf(name, sizeof name, "plain%d", i);
      access(name, R_OK);
    }
    _exit(0);
  }
  puts("fine");
  return 0;
}
