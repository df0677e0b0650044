// SPDX-License-Identifier: Apache-2.0
//
// How the decoder reads arguments of system calls. For the files of decoder
// alone.

#pragma once

#include <cstdint>

namespace vt::track {

inline constexpr uint64_t kNoFollow = 0x100;    // AT_SYMLINK_NOFOLLOW
inline constexpr uint64_t kEmptyPath = 0x1000;  // AT_EMPTY_PATH, _GNU_SOURCE's

// The kernel takes a descriptor to be an int, whatever the upper half says.
inline int Descriptor(uint64_t argument) {
  return static_cast<int>(static_cast<uint32_t>(argument));
}

}  // namespace vt::track
