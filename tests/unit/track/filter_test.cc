// SPDX-License-Identifier: Apache-2.0
//
// Runs the filter in an interpreter, over every number and the arguments that
// matter.

#include "daemon/track/filter.h"

#include <fcntl.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstring>
#include <fstream>
#include <map>
#include <set>
#include <string>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"
#include <gtest/gtest.h>

#include "daemon/track/syscall_numbers.h"
#include "daemon/track/syscall_rules.h"

namespace vt::track {
namespace {

constexpr uint32_t kAllow = SECCOMP_RET_ALLOW;
constexpr uint32_t kNotify = SECCOMP_RET_USER_NOTIF;

// What seccomp's machine does with these instructions; any other fails.
uint32_t Interpret(const std::vector<sock_filter>& code,
                   const seccomp_data& data) {
  uint32_t a = 0;
  uint32_t x = 0;
  for (size_t pc = 0; pc < code.size(); ++pc) {
    const sock_filter& op = code[pc];
    bool jump = false;
    switch (op.code) {
      case BPF_LD | BPF_W | BPF_ABS:
        EXPECT_LE(op.k + 4, sizeof data);
        std::memcpy(&a, reinterpret_cast<const char*>(&data) + op.k, 4);
        continue;
      case BPF_ALU | BPF_AND | BPF_K:
        a &= op.k;
        continue;
      case BPF_ALU | BPF_XOR | BPF_K:
        a ^= op.k;
        continue;
      case BPF_MISC | BPF_TAX:
        x = a;
        continue;
      case BPF_RET | BPF_K:
        return op.k;
      case BPF_JMP | BPF_JA:
        pc += op.k;
        continue;
      case BPF_JMP | BPF_JEQ | BPF_K:
        jump = a == op.k;
        break;
      case BPF_JMP | BPF_JEQ | BPF_X:
        jump = a == x;
        break;
      case BPF_JMP | BPF_JGE | BPF_K:
        jump = a >= op.k;
        break;
      case BPF_JMP | BPF_JSET | BPF_K:
        jump = (a & op.k) != 0;
        break;
      default:
        ADD_FAILURE() << "instruction " << op.code << " at " << pc;
        return 0;
    }
    pc += jump ? op.jt : op.jf;
  }
  ADD_FAILURE() << "fell off the end";
  return 0;
}

class FilterTest : public testing::Test {
 protected:
  uint32_t Ask(int number, std::vector<uint64_t> args = {},
               uint32_t arch = kNativeArch) {
    seccomp_data data = {};
    data.nr = number;
    data.arch = arch;
    for (size_t i = 0; i < args.size(); ++i) {
      data.args[i] = args[i];
    }
    return Interpret(code_, data);
  }

  // The same filter of an action whose calls cannot be signed.
  uint32_t AskUnsigned(int number, const std::vector<uint64_t>& args) {
    const std::vector<sock_filter> code = BuildFilter({});
    seccomp_data data = {};
    data.nr = number;
    data.arch = kNativeArch;
    std::copy(args.begin(), args.end(), data.args);
    return Interpret(code, data);
  }

  static constexpr uint64_t kSignature = 0x123456789abcdef0;
  const std::vector<sock_filter> code_ = BuildFilter({.signature = kSignature});
};

TEST_F(FilterTest, FitsTheKernelsLimit) {
  EXPECT_LE(code_.size(), 4096U);
  EXPECT_LE(code_.size(), 400U);
}

TEST_F(FilterTest, EveryNumberGetsTheVerdictOfTheTable) {
  std::map<int, Verdict> rules;
  for (const SyscallRule& rule : SyscallRules()) {
    EXPECT_TRUE(rules.emplace(rule.number, rule.verdict).second) << rule.name;
  }
  const int newest = SyscallRules().back().number;
  for (int number = 0; number <= newest + 2000; ++number) {
    const auto rule = rules.find(number);
    const Verdict verdict = rule != rules.end() ? rule->second
                            : number <= newest  ? Verdict::kAllow
                                                : Verdict::kNotify;
    uint32_t expected = kNotify;
    switch (verdict) {
      case Verdict::kAllow:
      case Verdict::kNotifyIfAddressed:      // without an address
      case Verdict::kNotifyIfNamesUnshared:  // without flags
      case Verdict::kNotifyIfUnixDatagram:   // another family
        expected = kAllow;
        break;
      case Verdict::kNoSuchCall:
        expected = SECCOMP_RET_ERRNO | ENOSYS;
        break;
      case Verdict::kNotify:
      case Verdict::kNotifyUnlessFstat:
      case Verdict::kNotifyUnlessFstatx:
        break;
    }
    EXPECT_EQ(Ask(number), expected) << number;
  }
}

TEST_F(FilterTest, NumbersOfX32AreNotified) {
  EXPECT_EQ(Ask(0x40000000), kNotify);
  EXPECT_EQ(Ask(0x40000000 + 2), kNotify);
  EXPECT_EQ(Ask(-1), kNotify);
}

TEST_F(FilterTest, StrictFstatPassesOnlyWithoutAName) {
  const std::vector<sock_filter> strict =
      BuildFilter({.signature = std::nullopt, .strict = true});
  const auto ask = [&](int number, const std::vector<uint64_t>& args) {
    seccomp_data data = {};
    data.nr = number;
    data.arch = kNativeArch;
    std::copy(args.begin(), args.end(), data.args);
    return Interpret(strict, data);
  };
  EXPECT_LE(strict.size(), 4096U);
  EXPECT_EQ(ask(__NR_newfstatat, {3, 0, 0, 0x1000}), kAllow);
  EXPECT_EQ(ask(__NR_newfstatat, {3, 0x7f00, 0, 0x1000}), kNotify);
  EXPECT_EQ(ask(__NR_newfstatat, {3, uint64_t{1} << 32U, 0, 0x1000}), kNotify);
  EXPECT_EQ(ask(__NR_newfstatat, {3, 0, 0, 0}), kNotify);
  const uint64_t at_cwd = static_cast<uint32_t>(AT_FDCWD);
  EXPECT_EQ(ask(__NR_newfstatat, {at_cwd, 0, 0, 0x1000}), kNotify);
  EXPECT_EQ(ask(__NR_statx, {3, 0, 0x1000}), kAllow);
  EXPECT_EQ(ask(__NR_statx, {3, 0x7f00, 0x1000}), kNotify);
  // Without it, any name passes.
  EXPECT_EQ(Ask(__NR_newfstatat, {3, 0x7f00, 0, 0x1000}), kAllow);
}

TEST_F(FilterTest, FstatInDisguisePasses) {
  EXPECT_EQ(Ask(__NR_newfstatat, {3, 0, 0, 0x1000}), kAllow);
  EXPECT_EQ(Ask(__NR_newfstatat, {3, 0, 0, 0x1100}), kNotify);
  EXPECT_EQ(Ask(__NR_newfstatat, {3, 0, 0, 0}), kNotify);
  const uint64_t at_cwd = static_cast<uint32_t>(AT_FDCWD);
  EXPECT_EQ(Ask(__NR_newfstatat, {at_cwd, 0, 0, 0x1000}), kNotify);
  EXPECT_EQ(Ask(__NR_newfstatat, {~uint64_t{99}, 0, 0, 0x1000}), kNotify);
  EXPECT_EQ(Ask(__NR_statx, {3, 0, 0x1000}), kAllow);
  EXPECT_EQ(Ask(__NR_statx, {3, 0, 0x1000 | 0x4000}), kAllow);
  EXPECT_EQ(Ask(__NR_statx, {3, 0, 0x1000 | 0x100}), kNotify);
  EXPECT_EQ(Ask(__NR_statx, {at_cwd, 0, 0x1000}), kNotify);
}

TEST_F(FilterTest, OnlyAddressedSendsAreNotified) {
  EXPECT_EQ(Ask(__NR_sendto, {3, 1, 1, 0, 0, 0}), kAllow);
  EXPECT_EQ(Ask(__NR_sendto, {3, 1, 1, 0, 8, 2}), kNotify);
  EXPECT_EQ(Ask(__NR_sendto, {3, 1, 1, 0, uint64_t{1} << 40, 2}), kNotify);
}

TEST_F(FilterTest, SignedReadsPassAndNothingElseDoes) {
  int signable = 0;
  for (int number = 0; number < 600; ++number) {
    const auto rule =
        std::find_if(SyscallRules().begin(), SyscallRules().end(),
                     [&](const SyscallRule& r) { return r.number == number; });
    const bool may_sign =
        rule != SyscallRules().end() && rule->path_argument >= 0;
    signable += may_sign;
    for (size_t path = 0; path < 5; ++path) {
      std::vector<uint64_t> args(6, 0x7fff00002000 + 0x10000 * path);
      args[path] = 0x7fff12345678;
      args[5] = kSignature ^ args[path];
      const bool passes =
          may_sign && rule->path_argument == static_cast<int>(path);
      std::vector<uint64_t> without = args;
      without[5] = 0;
      EXPECT_EQ(Ask(number, args), passes ? kAllow : Ask(number, without))
          << number << " argument " << path;
      if (may_sign) {
        EXPECT_EQ(Ask(number, without), kNotify) << number;
      }
    }
  }
#if defined(__x86_64__)
  EXPECT_EQ(signable, 11);
#else
  EXPECT_EQ(signable, 6);
#endif
}

TEST_F(FilterTest, EveryBitOfASignatureCounts) {
  const uint64_t path = 0x7ffe00c0ffee;
  EXPECT_EQ(Ask(__NR_openat, {1, path, 0, 0, 0, kSignature ^ path}), kAllow);
  EXPECT_EQ(Ask(__NR_openat, {1, 0, 0, 0, 0, kSignature}), kAllow);
  for (int bit = 0; bit < 64; ++bit) {
    const uint64_t flip = uint64_t{1} << bit;
    EXPECT_EQ(Ask(__NR_openat, {1, path, 0, 0, 0, kSignature ^ path ^ flip}),
              kNotify);
    EXPECT_EQ(Ask(__NR_openat, {1, path ^ flip, 0, 0, 0, kSignature ^ path}),
              kNotify);
  }
}

TEST_F(FilterTest, WithoutASignatureNothingIsSigned) {
  EXPECT_EQ(AskUnsigned(__NR_openat, {1, 7, 0, 0, 0, 7}), kNotify);
  EXPECT_EQ(AskUnsigned(__NR_openat, {1, 7, 0, 0, 0, kSignature ^ 7}), kNotify);
  EXPECT_EQ(AskUnsigned(__NR_newfstatat, {3, 0, 0, 0x1000, 0, 0}), kAllow);
}

TEST_F(FilterTest, OnlyUnixDatagramSocketsAreNotified) {
  for (const int extra : std::vector<int>{0, SOCK_CLOEXEC, SOCK_NONBLOCK}) {
    const auto type = [&](int t) { return static_cast<uint64_t>(t | extra); };
    EXPECT_EQ(Ask(__NR_socket, {AF_UNIX, type(SOCK_DGRAM)}), kNotify);
    EXPECT_EQ(Ask(__NR_socket, {AF_UNIX, type(SOCK_RAW)}), kNotify);
    EXPECT_EQ(Ask(__NR_socket, {AF_UNIX, type(SOCK_STREAM)}), kAllow);
    EXPECT_EQ(Ask(__NR_socket, {AF_UNIX, type(SOCK_SEQPACKET)}), kAllow);
    EXPECT_EQ(Ask(__NR_socket, {AF_INET, type(SOCK_DGRAM)}), kAllow);
  }
}

TEST_F(FilterTest, UnsharingWhatNamesMeanIsNotified) {
  EXPECT_EQ(Ask(__NR_unshare, {CLONE_FILES}), kAllow);
  EXPECT_EQ(Ask(__NR_unshare, {CLONE_NEWNET | CLONE_NEWPID}), kAllow);
  EXPECT_EQ(Ask(__NR_unshare, {CLONE_FS}), kNotify);
  EXPECT_EQ(Ask(__NR_unshare, {CLONE_NEWUSER}), kNotify);
  EXPECT_EQ(Ask(__NR_unshare, {CLONE_NEWNS | CLONE_NEWUSER}), kNotify);
}

TEST_F(FilterTest, ForeignProgramsAreNoticedWhenTheyNameAFile) {
  const uint32_t foreign = kNativeArch ^ 0x80000000U;
  const std::set<int> notified(ForeignNumbers().begin(),
                               ForeignNumbers().end());
  for (int number = -1; number < 1000; ++number) {
    EXPECT_EQ(Ask(number, {}, foreign),
              notified.count(number) != 0 ? kNotify : kAllow)
        << number;
  }
}

TEST(SyscallRulesTest, EveryNumberOfTheHeadersIsClassified) {
  std::set<int> known;
  for (const SyscallRule& rule : SyscallRules()) {
    known.insert(rule.number);
  }
  std::ifstream in(VT_UNISTD_MACROS);
  int count = 0;
  for (std::string line; std::getline(in, line);) {
    const std::vector<std::string> words =
        absl::StrSplit(line, ' ', absl::SkipEmpty());
    int number = 0;
    if (words.size() != 3 || !absl::StartsWith(words[1], "__NR_") ||
        words[1] == "__NR_syscalls" ||
        words[1] == "__NR_arch_specific_syscall" ||
        !absl::SimpleAtoi(words[2], &number)) {
      continue;
    }
    ++count;
    EXPECT_EQ(known.count(number), 1U)
        << words[1] << " = " << number << ": add it to syscall_rules.cc";
  }
  EXPECT_GT(count, 250);
}

TEST(SyscallRulesTest, NamesAreFoundByNumber) {
  EXPECT_STREQ(SyscallName(__NR_openat), "openat");
  EXPECT_EQ(SyscallName(9999), nullptr);
}

}  // namespace
}  // namespace vt::track
