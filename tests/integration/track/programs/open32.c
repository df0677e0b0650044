// SPDX-License-Identifier: Apache-2.0
//
// A program of 32 bits without a libc: opens `input`, says whether it could.

static int Call(int number, const void* a, int b, int c) {
  int result;
  __asm__ volatile("int $0x80"
                   : "=a"(result)
                   : "0"(number), "b"(a), "c"(b), "d"(c)
                   : "memory");
  return result;
}

void _start(void) {
  const int fd = Call(5, "input", 0, 0);
  Call(4, (const void*)1, (int)(fd < 0 ? "no\n " : "yes\n"), 4);
  Call(1, (const void*)0, 0, 0);
  for (;;) {
  }
}
