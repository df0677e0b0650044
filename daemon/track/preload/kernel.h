// SPDX-License-Identifier: Apache-2.0
//
// The kernel as the preload library sees it: raw system calls, and the few
// numbers it needs. No header of libc is included anywhere in the library: its
// declarations of open() and the like are what we define otherwise, and the
// library must compile for a machine whose libc is not installed.
//
// Numbers: Linux, arch/x86/entry/syscalls/syscall_64.tbl and
// include/uapi/asm-generic/unistd.h; compared with the headers below.

#pragma once

#include <stdint.h>

namespace vt::preload {

namespace nr {
inline constexpr long kNone = -1;  // the architecture has no such call
#if defined(__x86_64__)
inline constexpr long kOpen = 2, kClose = 3, kStat = 4, kFstat = 5, kLstat = 6,
                      kLseek = 8, kMmap = 9, kMunmap = 11, kMadvise = 28,
                      kWrite = 1, kRtSigaction = 13, kRtSigprocmask = 14,
                      kAccess = 21, kGetpid = 39, kGetcwd = 79, kChdir = 80,
                      kFchdir = 81, kReadlink = 89, kPrctl = 157, kGettid = 186,
                      kExitGroup = 231, kTgkill = 234, kOpenat = 257,
                      kNewfstatat = 262, kReadlinkat = 267, kFaccessat = 269,
                      kSeccomp = 317, kStatx = 332, kFaccessat2 = 439;
#elif defined(__aarch64__)
inline constexpr long kOpen = kNone, kStat = kNone, kLstat = kNone,
                      kAccess = kNone, kReadlink = kNone, kGetcwd = 17,
                      kFaccessat = 48, kChdir = 49, kFchdir = 50, kOpenat = 56,
                      kClose = 57, kLseek = 62, kWrite = 64, kReadlinkat = 78,
                      kNewfstatat = 79, kFstat = 80, kExitGroup = 94,
                      kTgkill = 131, kRtSigaction = 134, kRtSigprocmask = 135,
                      kPrctl = 167, kGetpid = 172, kGettid = 178, kMunmap = 215,
                      kMmap = 222, kMadvise = 233, kSeccomp = 277, kStatx = 291,
                      kFaccessat2 = 439;
#else
#error "the preload library does not know this architecture"
#endif
}  // namespace nr

inline constexpr int kAtCwd = -100;  // AT_FDCWD
inline constexpr int kAtNoFollow = 0x100;
inline constexpr int kAtEaccess = 0x200;
inline constexpr int kAtEmptyPath = 0x1000;
inline constexpr int kAtStatxSyncType = 0x6000;

inline constexpr int kOpenAccessMode = 3;  // O_ACCMODE
inline constexpr int kOpenCreate = 0100;
inline constexpr int kOpenTruncate = 01000;
inline constexpr int kOpenNonBlocking = 04000;
inline constexpr int kOpenCloseOnExec = 02000000;
inline constexpr int kOpenPath = 010000000;
inline constexpr int kOpenTemporary = 020000000;  // O_TMPFILE less O_DIRECTORY
#if defined(__x86_64__)
inline constexpr int kOpenDirectory = 0200000;
inline constexpr int kOpenNoFollow = 0400000;
#else
inline constexpr int kOpenDirectory = 040000;
inline constexpr int kOpenNoFollow = 0100000;
#endif

inline constexpr int kEperm = 1, kEnoent = 2, kEintr = 4, kEbadf = 9,
                     kEfault = 14, kEinval = 22, kEnametoolong = 36,
                     kEnosys = 38;

inline constexpr long kPathMax = 4096;  // with the final NUL
inline constexpr uint64_t kPageSize = 4096;

// True for what the kernel returns instead of a result.
inline bool IsError(long result) {
  return static_cast<unsigned long>(result) > -4096UL;
}

// Makes a system call. The sixth argument register, which may carry a
// signature, is cleared before anything else runs: a signal handler that makes
// a call of its own must not find it.
inline long Syscall(long number, long a = 0, long b = 0, long c = 0, long d = 0,
                    long e = 0, long f = 0) {
#if defined(__x86_64__)
  long result;
  register long r10 asm("r10") = d;
  register long r8 asm("r8") = e;
  register long r9 asm("r9") = f;
  asm volatile(
      "syscall\n\t"
      "xorl %%r9d, %%r9d"
      : "=a"(result), "+r"(r9)
      : "0"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8)
      : "rcx", "r11", "cc", "memory");
  return result;
#else
  register long x8 asm("x8") = number;
  register long x0 asm("x0") = a;
  register long x1 asm("x1") = b;
  register long x2 asm("x2") = c;
  register long x3 asm("x3") = d;
  register long x4 asm("x4") = e;
  register long x5 asm("x5") = f;
  asm volatile(
      "svc #0\n\t"
      "mov x5, xzr"
      : "+r"(x0), "+r"(x5)
      : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4)
      : "cc", "memory");
  return x0;
#endif
}

inline long Word(const void* pointer) {
  return static_cast<long>(reinterpret_cast<intptr_t>(pointer));
}

// Atomics on memory that other processes have mapped: builtins, for <atomic>
// is no part of a freestanding compiler's promise on what is shared like this.
template <typename T>
T Load(const T* at) {
  return __atomic_load_n(at, __ATOMIC_RELAXED);
}
template <typename T>
T LoadAcquire(const T* at) {
  return __atomic_load_n(at, __ATOMIC_ACQUIRE);
}
template <typename T>
void Store(T* at, T value) {
  __atomic_store_n(at, value, __ATOMIC_RELAXED);
}
template <typename T>
void StoreRelease(T* at, T value) {
  __atomic_store_n(at, value, __ATOMIC_RELEASE);
}
template <typename T>
T FetchAdd(T* at, T value) {
  return __atomic_fetch_add(at, value, __ATOMIC_ACQ_REL);
}
template <typename T>
bool CompareExchange(T* at, T expected, T desired) {
  return __atomic_compare_exchange_n(at, &expected, desired, false,
                                     __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE);
}

}  // namespace vt::preload
