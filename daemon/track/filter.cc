// SPDX-License-Identifier: Apache-2.0

#include "daemon/track/filter.h"

#include <fcntl.h>
#include <linux/audit.h>
#include <linux/sched.h>
#include <linux/seccomp.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <iterator>
#include <span>

#include "daemon/track/syscall_numbers.h"
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
  int path_argument;
};

// What programs call most, and the preload library signs: they do not go
// through the tree, which is a third of what the filter costs them.
constexpr int kOften[] = {__NR_newfstatat, __NR_openat, __NR_statx,
#ifdef __NR_access
                          __NR_access, __NR_readlink
#else
                          __NR_faccessat, __NR_readlinkat
#endif
};

// The x32 ABI sets this bit; real numbers never come near.
constexpr uint32_t kX32Bit = 0x40000000;
// AT_STATX_SYNC_TYPE: how fresh, not what.
constexpr uint32_t kStatxSyncType = 0x6000;
// SOCK_TYPE_MASK of the kernel's linux/net.h: the rest is SOCK_CLOEXEC...
constexpr uint32_t kSocketTypes = 0xf;

class Program {
 public:
  explicit Program(const FilterOptions& options)
      : signature_(options.signature),
        strict_(options.strict) {}

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

  // Ends with the verdict of `run`.
  void Decide(const Run& run);
  // The verdict of `number` alone; falls through for all others.
  void Shortcut(int number, std::span<const Run> runs);
  void Tree(std::span<const Run> runs);
  // Puts the tests that Decide has jumped to behind all else.
  void EmitTests();

  size_t size() const { return code_.size(); }
  // Sets where the jump at `jump` goes.
  void LandHere(size_t jump) {
    code_[jump].k = static_cast<uint32_t>(code_.size() - jump - 1);
  }

  std::vector<sock_filter> Take() { return std::move(code_); }

 private:
  // A test of arguments, shared by all numbers that need it: the kernel checks
  // and compiles a filter anew for each action, by its length.
  struct Test {
    Verdict verdict;
    int path_argument;
    std::vector<size_t> jumps;  // to here
  };

  void Emit(const Test& test);
  void AllowIfSigned(size_t path_argument);
  void AllowFstat(size_t flags_index, uint32_t ignored_flags);

  const std::optional<uint64_t> signature_;
  const bool strict_;
  std::vector<sock_filter> code_;
  std::vector<Test> tests_;
};

// Falls through when the sixth argument is not `signature ^ path`.
void Program::AllowIfSigned(size_t path_argument) {
  constexpr size_t kSixth = 5;
  LoadArgumentHigh(kSixth);
  Emit(BPF_MISC | BPF_TAX, 0);
  LoadArgumentHigh(path_argument);
  Emit(BPF_ALU | BPF_XOR | BPF_K, static_cast<uint32_t>(*signature_ >> 32));
  Emit(BPF_JMP | BPF_JEQ | BPF_X, 0, 0, 6);
  LoadArgumentLow(kSixth);
  Emit(BPF_MISC | BPF_TAX, 0);
  LoadArgumentLow(path_argument);
  Emit(BPF_ALU | BPF_XOR | BPF_K, static_cast<uint32_t>(*signature_));
  Emit(BPF_JMP | BPF_JEQ | BPF_X, 0, 0, 1);
  Allow();
}

// Allows flags == AT_EMPTY_PATH with a descriptor >= 0, which excludes
// AT_FDCWD. Falls through otherwise. Strict: only with a null name.
void Program::AllowFstat(size_t flags_index, uint32_t ignored_flags) {
  if (strict_) {
    LoadArgumentLow(1);
    Emit(BPF_JMP | BPF_JEQ | BPF_K, 0, 0, 8);
    LoadArgumentHigh(1);
    Emit(BPF_JMP | BPF_JEQ | BPF_K, 0, 0, 6);
  }
  LoadArgumentLow(flags_index);
  Emit(BPF_ALU | BPF_AND | BPF_K, ~ignored_flags);
  Emit(BPF_JMP | BPF_JEQ | BPF_K, AT_EMPTY_PATH, 0, 3);
  LoadArgumentLow(0);
  Emit(BPF_JMP | BPF_JSET | BPF_K, 0x80000000U, 1, 0);
  Allow();
}

void Program::Decide(const Run& run) {
  const int path_argument = signature_.has_value() ? run.path_argument : -1;
  if (run.verdict == Verdict::kAllow) {
    Allow();
  } else if (run.verdict == Verdict::kNoSuchCall) {
    Return(SECCOMP_RET_ERRNO | ENOSYS);
  } else if (run.verdict == Verdict::kNotify && path_argument < 0) {
    Notify();
  } else {
    auto test =
        std::find_if(tests_.begin(), tests_.end(), [&](const Test& other) {
          return other.verdict == run.verdict &&
                 other.path_argument == path_argument;
        });
    if (test == tests_.end()) {
      test = tests_.insert(test, {run.verdict, path_argument, {}});
    }
    test->jumps.push_back(code_.size());
    Emit(BPF_JMP | BPF_JA, 0);
  }
}

void Program::EmitTests() {
  for (const Test& test : tests_) {
    for (const size_t jump : test.jumps) {
      LandHere(jump);
    }
    Emit(test);
  }
}

void Program::Emit(const Test& test) {
  if (test.path_argument >= 0) {
    AllowIfSigned(static_cast<size_t>(test.path_argument));
  }
  switch (test.verdict) {
    case Verdict::kAllow:
    case Verdict::kNoSuchCall:  // need no test
    case Verdict::kNotify:
      break;
    case Verdict::kNotifyUnlessFstat:
      AllowFstat(/*flags_index=*/3, /*ignored_flags=*/0);
      break;
    case Verdict::kNotifyUnlessFstatx:
      AllowFstat(/*flags_index=*/2, kStatxSyncType);
      break;
    case Verdict::kNotifyIfAddressed:
      LoadArgumentLow(4);
      Emit(BPF_JMP | BPF_JEQ | BPF_K, 0, 0, 3);
      LoadArgumentHigh(4);
      Emit(BPF_JMP | BPF_JEQ | BPF_K, 0, 0, 1);
      Allow();
      break;
    case Verdict::kNotifyIfNamesUnshared:
      LoadArgumentLow(0);
      Emit(BPF_JMP | BPF_JSET | BPF_K, CLONE_NEWNS | CLONE_NEWUSER | CLONE_FS,
           1, 0);
      Allow();
      break;
    case Verdict::kNotifyIfUnixDatagram:
      LoadArgumentLow(0);
      Emit(BPF_JMP | BPF_JEQ | BPF_K, AF_UNIX, 0, 4);
      LoadArgumentLow(1);
      Emit(BPF_ALU | BPF_AND | BPF_K, kSocketTypes);
      Emit(BPF_JMP | BPF_JEQ | BPF_K, SOCK_DGRAM, 2, 0);
      Emit(BPF_JMP | BPF_JEQ | BPF_K, SOCK_RAW, 1, 0);  // there the same
      Allow();
      break;
  }
  Notify();
}

void Program::Shortcut(int number, std::span<const Run> runs) {
  const auto key = static_cast<uint32_t>(number);
  const auto behind = std::upper_bound(
      runs.begin(), runs.end(), key,
      [](uint32_t wanted, const Run& run) { return wanted < run.first; });
  Emit(BPF_JMP | BPF_JEQ | BPF_K, key, 0, 1);
  Decide(*std::prev(behind));
}

// A conditional jump reaches 255 instructions, which is more than half of any
// tree here (FilterTest asks for every number).
void Program::Tree(std::span<const Run> runs) {
  if (runs.size() == 1) {
    Decide(runs[0]);
    return;
  }
  const size_t half = runs.size() / 2;
  Emit(BPF_JMP | BPF_JGE | BPF_K, runs[half].first);
  const size_t jump = code_.size();
  Tree(runs.first(half));
  code_[jump - 1].jt = static_cast<uint8_t>(code_.size() - jump);
  Tree(runs.subspan(half));
}

std::vector<Run> Runs() {
  std::vector<Run> runs;
  uint32_t next = 0;
  auto add = [&runs](const Run& run) {
    if (runs.empty() || runs.back().verdict != run.verdict ||
        runs.back().path_argument != run.path_argument) {
      runs.push_back(run);
    }
  };
  for (const SyscallRule& rule : SyscallRules()) {
    const auto number = static_cast<uint32_t>(rule.number);
    if (number > next) {
      // A hole: the kernel says ENOSYS itself.
      add({next, Verdict::kAllow, -1});
    }
    add({number, rule.verdict, rule.path_argument});
    next = number + 1;
  }
  add({next, Verdict::kNotify, -1});  // newer than this build, or x32
  return runs;
}

}  // namespace

const std::vector<int>& ForeignNumbers() {
  // open, creat, link, unlink, execve, chdir, chmod, access, rename, mkdir,
  // rmdir, symlink, readlink, truncate, stat64, lstat64; openat2, faccessat2.
  // Of i386 also stat, lstat, connect, socketcall, openat, mkdirat, fstatat64,
  // unlinkat, renameat, readlinkat, faccessat, renameat2, execveat, statx; the
  // same of arm.
#if defined(__x86_64__)
  static const std::vector<int>* const numbers = new std::vector<int>{
      5,   8,   9,   10,  11,  12,  15,  33,  38,  39,  40,
      83,  85,  92,  195, 196, 437, 439, 106, 107, 362, 102,
      295, 296, 300, 301, 302, 305, 307, 353, 358, 383};
#else
  static const std::vector<int>* const numbers = new std::vector<int>{
      5,   8,   9,   10,  11,  12,  15,  33,  38,  39,  40,  83,  85,  92, 195,
      196, 437, 439, 283, 322, 323, 327, 328, 329, 332, 334, 382, 387, 397};
#endif
  return *numbers;
}

namespace {

std::vector<Run> ForeignRuns() {
  std::vector<int> numbers = ForeignNumbers();
  std::sort(numbers.begin(), numbers.end());
  std::vector<Run> runs = {{0, Verdict::kAllow, -1}};
  for (const int signed_number : numbers) {
    const auto number = static_cast<uint32_t>(signed_number);
    if (runs.back().verdict == Verdict::kAllow && runs.back().first == number) {
      runs.pop_back();  // the one before goes on
    } else {
      runs.push_back({number, Verdict::kNotify, -1});
    }
    runs.push_back({number + 1, Verdict::kAllow, -1});
  }
  return runs;
}

}  // namespace

std::vector<sock_filter> BuildFilter(const FilterOptions& options) {
  static_assert(kX32Bit > 4096, "x32 numbers lie above the newest call");
  Program program(options);
  program.Load(offsetof(seccomp_data, arch));
  program.Emit(BPF_JMP | BPF_JEQ | BPF_K, kNativeArch, 1, 0);
  const size_t to_foreign = program.size();
  program.Emit(BPF_JMP | BPF_JA, 0);
  program.Load(offsetof(seccomp_data, nr));
  const std::vector<Run> runs = Runs();
  for (const int number : kOften) {
    program.Shortcut(number, runs);
  }
  program.Tree(runs);
  program.LandHere(to_foreign);
  program.Load(offsetof(seccomp_data, nr));
  program.Tree(ForeignRuns());
  program.EmitTests();
  return program.Take();
}

}  // namespace vt::track
