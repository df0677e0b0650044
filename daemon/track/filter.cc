// SPDX-License-Identifier: Apache-2.0

#include "daemon/track/filter.h"

#include <fcntl.h>
#include <linux/audit.h>
#include <linux/sched.h>
#include <linux/seccomp.h>

#include <cerrno>
#include <cstddef>
#include <span>

#include "daemon/track/syscall_rules.h"

#ifndef AT_EMPTY_PATH
#define AT_EMPTY_PATH 0x1000
#endif

namespace vt::track {

#if defined(__x86_64__)
const uint32_t kNativeArch = AUDIT_ARCH_X86_64;
#elif defined(__aarch64__)
const uint32_t kNativeArch = AUDIT_ARCH_AARCH64;
#else
#error "no table of system calls for this architecture"
#endif

namespace {

// A run of numbers from `first` up to the next run's, all with one verdict.
struct Run {
  uint32_t first;
  Verdict verdict;
};

// The x32 ABI sets this bit; real numbers never come near.
constexpr uint32_t kX32Bit = 0x40000000;
// AT_STATX_SYNC_TYPE: how fresh, not what.
constexpr uint32_t kStatxSyncType = 0x6000;

class Program {
 public:
  void Emit(uint16_t code, uint32_t k, uint8_t jump_true = 0,
            uint8_t jump_false = 0) {
    code_.push_back({code, jump_true, jump_false, k});
  }
  void Return(uint32_t action) { Emit(BPF_RET | BPF_K, action); }
  void Allow() { Return(SECCOMP_RET_ALLOW); }
  void Notify() { Return(SECCOMP_RET_USER_NOTIF); }
  void Load(size_t offset) {
    Emit(BPF_LD | BPF_W | BPF_ABS, static_cast<uint32_t>(offset));
  }
  // Little-endian halves; both supported architectures are.
  void LoadArgumentLow(size_t index) {
    Load(offsetof(seccomp_data, args) + 8 * index);
  }
  void LoadArgumentHigh(size_t index) {
    Load(offsetof(seccomp_data, args) + 8 * index + 4);
  }

  void Leaf(Verdict verdict);
  void Tree(std::span<const Run> runs);

  std::vector<sock_filter> Take() { return std::move(code_); }

 private:
  void FstatLeaf(size_t flags_index, uint32_t ignored_flags);

  std::vector<sock_filter> code_;
};

// Allows flags == AT_EMPTY_PATH with a descriptor >= 0, which excludes
// AT_FDCWD.
void Program::FstatLeaf(size_t flags_index, uint32_t ignored_flags) {
  LoadArgumentLow(flags_index);
  Emit(BPF_ALU | BPF_AND | BPF_K, ~ignored_flags);
  Emit(BPF_JMP | BPF_JEQ | BPF_K, AT_EMPTY_PATH, 0, 3);
  LoadArgumentLow(0);
  Emit(BPF_JMP | BPF_JSET | BPF_K, 0x80000000U, 1, 0);
  Allow();
  Notify();
}

void Program::Leaf(Verdict verdict) {
  switch (verdict) {
    case Verdict::kAllow:
      Allow();
      return;
    case Verdict::kNotify:
      Notify();
      return;
    case Verdict::kNotifyUnlessFstat:
      FstatLeaf(/*flags_index=*/3, /*ignored_flags=*/0);
      return;
    case Verdict::kNotifyUnlessFstatx:
      FstatLeaf(/*flags_index=*/2, kStatxSyncType);
      return;
    case Verdict::kNotifyIfAddressed:
      LoadArgumentLow(4);
      Emit(BPF_JMP | BPF_JEQ | BPF_K, 0, 0, 3);
      LoadArgumentHigh(4);
      Emit(BPF_JMP | BPF_JEQ | BPF_K, 0, 0, 1);
      Allow();
      Notify();
      return;
    case Verdict::kNotifyIfMountNamespace:
      LoadArgumentLow(0);
      Emit(BPF_JMP | BPF_JSET | BPF_K, CLONE_NEWNS, 1, 0);
      Allow();
      Notify();
      return;
    case Verdict::kNoSuchCall:
      Return(SECCOMP_RET_ERRNO | ENOSYS);
      return;
  }
}

// Conditional jumps reach 255 instructions, BPF_JA any distance.
void Program::Tree(std::span<const Run> runs) {
  if (runs.size() == 1) {
    Leaf(runs[0].verdict);
    return;
  }
  const size_t half = runs.size() / 2;
  Emit(BPF_JMP | BPF_JGE | BPF_K, runs[half].first, 0, 1);
  const size_t jump = code_.size();
  Emit(BPF_JMP | BPF_JA, 0);
  Tree(runs.first(half));
  code_[jump].k = static_cast<uint32_t>(code_.size() - jump - 1);
  Tree(runs.subspan(half));
}

std::vector<Run> Runs() {
  std::vector<Run> runs;
  uint32_t next = 0;
  auto add = [&runs](uint32_t first, Verdict verdict) {
    if (runs.empty() || runs.back().verdict != verdict) {
      runs.push_back({first, verdict});
    }
  };
  for (const SyscallRule& rule : SyscallRules()) {
    const auto number = static_cast<uint32_t>(rule.number);
    if (number > next) {
      add(next, Verdict::kAllow);  // a hole: the kernel says ENOSYS itself
    }
    add(number, rule.verdict);
    next = number + 1;
  }
  add(next, Verdict::kNotify);  // newer than this build, or x32
  return runs;
}

}  // namespace

const std::vector<int>& ForeignNumbers() {
  // open, creat, unlink, execve, rename, mkdir, stat64, openat of i386 and arm.
#if defined(__x86_64__)
  static const std::vector<int>* const numbers =
      new std::vector<int>{5, 8, 10, 11, 38, 39, 195, 295};
#else
  static const std::vector<int>* const numbers =
      new std::vector<int>{5, 8, 10, 11, 38, 39, 195, 322};
#endif
  return *numbers;
}

std::vector<sock_filter> BuildFilter() {
  static_assert(kX32Bit > 4096, "x32 numbers lie above the newest call");
  Program program;
  program.Load(offsetof(seccomp_data, arch));
  const size_t foreign_size = 2 + 2 * ForeignNumbers().size();
  program.Emit(BPF_JMP | BPF_JEQ | BPF_K, kNativeArch,
               static_cast<uint8_t>(foreign_size), 0);
  program.Load(offsetof(seccomp_data, nr));
  for (const int number : ForeignNumbers()) {
    program.Emit(BPF_JMP | BPF_JEQ | BPF_K, static_cast<uint32_t>(number), 0,
                 1);
    program.Notify();
  }
  program.Allow();
  program.Load(offsetof(seccomp_data, nr));
  program.Tree(Runs());
  return program.Take();
}

}  // namespace vt::track
