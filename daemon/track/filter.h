// SPDX-License-Identifier: Apache-2.0
//
// BuildFilter turns the table of system calls into a seccomp program.
//
// Layout: architecture check; binary tree over runs of numbers with the same
// verdict; at each leaf a return, or a test of arguments. A later issue puts
// the signature test of the preload library in front of the notification of
// read-only calls (tracking.md 1): one more kind of leaf.

#pragma once

#include <linux/filter.h>

#include <cstdint>
#include <vector>

namespace vt::track {

// The architecture of this build, as seccomp_data.arch says it.
extern const uint32_t kNativeArch;

// Numbers of the compat ABI at which a foreign program is noticed.
const std::vector<int>& ForeignNumbers();

// At most 4096 instructions (about 300).
std::vector<sock_filter> BuildFilter();

}  // namespace vt::track
