// SPDX-License-Identifier: Apache-2.0
//
// BuildFilter turns the table of system calls into a seccomp program.
//
// Layout: architecture check; binary tree over runs of numbers with the same
// verdict; at each leaf a return, or a jump to the test of arguments that
// decides; the same for numbers of the compat ABI; the tests. In front of the
// notification of read-only calls stands the test of the signature that the
// preload library puts into the sixth argument (docs/TRACKING.md, "The
// accelerator").

#pragma once

#include <linux/filter.h>

#include <cstdint>
#include <optional>
#include <vector>

namespace vt::track {

// The architecture of this build, as seccomp_data.arch says it.
extern const uint32_t kNativeArch;

// Numbers of the compat ABI at which a foreign program is noticed.
const std::vector<int>& ForeignNumbers();

// How the filter of one action is.
struct FilterOptions {
  // A call that carries `signature ^ path pointer` in its sixth argument
  // passes; none: no such test.
  std::optional<uint64_t> signature = std::nullopt;
  // `strictTracking`: fstat in the form newfstatat(fd, "", …, AT_EMPTY_PATH) is
  // notified, too, because the name might not be empty. With a null pointer for
  // the name it passes.
  bool strict = false;
};

// At most 4096 instructions (about 350). The kernel checks, compiles and probes
// them anew for each action: 80 us, and 14 us for a filter of one instruction
// (measured, Linux 6.18).
std::vector<sock_filter> BuildFilter(const FilterOptions& options);

}  // namespace vt::track
