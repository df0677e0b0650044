// SPDX-License-Identifier: Apache-2.0
//
// syscall(), by which libuv makes its statx. In assembly, for it must be what
// libc's is: no frame, all arguments passed on; for some callers (clone, futex)
// that matters. Numbers in kTracked go to VtTrackedCall instead.

#include "daemon/track/preload/attach.h"
#include "daemon/track/preload/export.h"
#include "daemon/track/preload/observe.h"
#include "daemon/track/preload/raw_calls.h"

namespace vt::preload {
namespace {

using track::RecordKind;

constexpr long kLastTracked = nr::kFaccessat2;
constexpr long kTrackedCalls[] = {
    nr::kOpen,    nr::kOpenat,    nr::kStat,       nr::kLstat,
    nr::kStatx,   nr::kAccess,    nr::kNewfstatat, nr::kReadlink,
    nr::kChdir,   nr::kFaccessat, nr::kReadlinkat, nr::kFchdir,
    nr::kSeccomp, nr::kPrctl,     nr::kFaccessat2};

struct Table {
  unsigned char is_tracked[kLastTracked + 1];
};

constexpr Table MakeTable() {
  Table table = {};
  for (const long number : kTrackedCalls) {
    if (number != nr::kNone) {
      table.is_tracked[number] = 1;
    }
  }
  return table;
}

struct Arguments {
  long a, b, c, d, e, f;

  const char* path(long word) const {
    return reinterpret_cast<const char*>(word);
  }
  int descriptor() const { return static_cast<int>(a); }
};

// Those of old architectures, which start at the working directory.
long DispatchOld(long number, const Arguments& x) {
  Call call = {number, {x.a, x.b, x.c, x.d, x.e}};
  const char* path = x.path(x.a);
  if (number == nr::kOpen) {
    return ObserveOpen(call, kAtCwd, path, static_cast<int>(x.b),
                       /*may_be_cancelled=*/false);
  }
  if (number != nr::kAccess) {
    call.output = reinterpret_cast<const void*>(x.b);
    call.output_size =
        number == nr::kReadlink ? static_cast<unsigned long>(x.c) : kStatSize;
  }
  const RecordKind kind = number == nr::kStat     ? RecordKind::kStat
                          : number == nr::kLstat  ? RecordKind::kLstat
                          : number == nr::kAccess ? RecordKind::kAccess
                                                  : RecordKind::kReadlink;
  return Observe(call, kAtCwd, path, kind);
}

long Dispatch(long number, const Arguments& x) {
  Call call = {number, {x.a, x.b, x.c, x.d, x.e}};
  const char* path = x.path(x.b);
  switch (number) {
    case nr::kOpenat:
      return ObserveOpen(call, x.descriptor(), path, static_cast<int>(x.c),
                         /*may_be_cancelled=*/false);
    case nr::kNewfstatat:
      return ObserveFstatat(x.descriptor(), path, reinterpret_cast<void*>(x.c),
                            static_cast<int>(x.d));
    case nr::kStatx:
      return ObserveStatx(x.descriptor(), path, static_cast<int>(x.c),
                          static_cast<unsigned>(x.d),
                          reinterpret_cast<void*>(x.e));
    case nr::kFaccessat:
      return Observe(call, x.descriptor(), path, RecordKind::kAccess);
    case nr::kFaccessat2:
      return ObserveFaccessat2(x.descriptor(), path, static_cast<int>(x.c),
                               static_cast<int>(x.d));
    case nr::kReadlinkat:
      call.output = reinterpret_cast<const void*>(x.c);
      call.output_size = static_cast<unsigned long>(x.d);
      return Observe(call, x.descriptor(), path, RecordKind::kReadlink);
    case nr::kChdir:
    case nr::kFchdir:
      return ChangeDirectory(call);
    case nr::kPrctl:
      return Prctl(call);
    case nr::kSeccomp: {
      constexpr long kFilterMode = 1;  // 0: strict; above: questions
      const long result = Syscall(number, x.a, x.b, x.c, x.d, x.e, x.f);
      if (x.a <= kFilterMode && !IsError(result)) {
        Retire();
      }
      return result;
    }
    default:
      return DispatchOld(number, x);
  }
}

}  // namespace
}  // namespace vt::preload

using namespace vt::preload;  // NOLINT(google-build-using-namespace)

// Read by the assembly below.
extern "C" __attribute__((visibility("hidden"),
                          used)) constexpr Table vt_tracked_calls = MakeTable();

extern "C" __attribute__((visibility("hidden"), used)) long VtTrackedCall(
    long number, long a, long b, long c, long d, long e, long f) {
  return Return(Dispatch(number, {a, b, c, d, e, f}));
}
extern "C" __attribute__((visibility("hidden"), used)) long VtFailedCall(
    long result) {
  return Return(result);
}

static_assert(kLastTracked == 439, "the assembly compares with it");

#if defined(__x86_64__)
asm(R"(
  .text
  .globl syscall
  .type syscall, @function
syscall:
  .cfi_startproc
  endbr64
  cmpq $439, %rdi
  ja 1f
  leaq vt_tracked_calls(%rip), %rax
  cmpb $0, (%rax,%rdi)
  jne VtTrackedCall
1:
  movq %rdi, %rax
  movq %rsi, %rdi
  movq %rdx, %rsi
  movq %rcx, %rdx
  movq %r8, %r10
  movq %r9, %r8
  movq 8(%rsp), %r9
  syscall
  cmpq $-4095, %rax
  jae 2f
  ret
2:
  movq %rax, %rdi
  jmp VtFailedCall
  .cfi_endproc
  .size syscall, . - syscall
)");
#else
asm(R"(
  .text
  .globl syscall
  .type syscall, %function
syscall:
  .cfi_startproc
  hint #34
  cmp x0, #439
  b.hi 1f
  adrp x9, vt_tracked_calls
  add x9, x9, :lo12:vt_tracked_calls
  ldrb w9, [x9, x0]
  cbnz w9, VtTrackedCall
1:
  mov x8, x0
  mov x0, x1
  mov x1, x2
  mov x2, x3
  mov x3, x4
  mov x4, x5
  mov x5, x6
  svc #0
  cmn x0, #4095
  b.hs VtFailedCall
  ret
  .cfi_endproc
  .size syscall, . - syscall
)");
#endif
