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
  kNotifyUnlessFstatx,  // statx: the same
  kNotifyIfAddressed,   // sendto: only with a destination
  // unshare: only with CLONE_NEWNS, CLONE_NEWUSER or CLONE_FS.
  kNotifyIfNamesUnshared,
  // socket: only AF_UNIX without a connection. What sendmsg says over one
  // cannot be told from other sendmsg calls (docs/TRACKING.md, "Services").
  kNotifyIfUnixDatagram,
  kNoSuchCall,  // fails with ENOSYS: io_uring bypasses every filter
};

struct SyscallRule {
  int number;
  const char* name;
  Verdict verdict;
  // Index of the argument that a signature is bound to: the call passes when
  // the preload library has signed it. -1: it cannot be signed.
  int path_argument = -1;
};

// Sorted by number. The last is the newest call that this build knows.
const std::vector<SyscallRule>& SyscallRules();

// Null if the number is not known.
const char* SyscallName(int number);

}  // namespace vt::track
