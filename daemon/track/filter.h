// SPDX-License-Identifier: Apache-2.0
//
// BuildFilter turns the table of system calls into a seccomp program.
//
// Layout: architecture check; binary tree over runs of numbers with the same
// verdict; at each leaf a return, or a test of arguments. In front of the
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

// At most 4096 instructions (about 400). `signature`: a call that carries
// `signature ^ path pointer` in its sixth argument passes; none: no such test.
std::vector<sock_filter> BuildFilter(std::optional<uint64_t> signature);

}  // namespace vt::track
