// SPDX-License-Identifier: Apache-2.0
//
// The table of system calls: what the filter does with each (tracking.md 1).

#pragma once

#include <vector>

namespace vt::track {

enum class Verdict {
  kAllow,   // whatever the arguments; the kernel caches this in a bitmap
  kNotify,  // names a path, or changes what names mean
  // newfstatat: allowed if it is an fstat in disguise, i.e. flags are exactly
  // AT_EMPTY_PATH and the descriptor is a real one (rule R1).
  kNotifyUnlessFstat,
  kNotifyUnlessFstatx,      // statx: the same
  kNotifyIfAddressed,       // sendto: only with a destination
  kNotifyIfMountNamespace,  // unshare: only with CLONE_NEWNS
  kNoSuchCall,              // fails with ENOSYS: io_uring bypasses every filter
};

struct SyscallRule {
  int number;
  const char* name;
  Verdict verdict;
};

// Sorted by number. The last is the newest call that this build knows.
const std::vector<SyscallRule>& SyscallRules();

// Null if the number is not known.
const char* SyscallName(int number);

}  // namespace vt::track
