// SPDX-License-Identifier: Apache-2.0
//
// 64-bit FNV-1a (http://www.isthe.com/chongo/tech/comp/fnv): names the daemon's
// socket after its cache directory. Shim and daemon must agree for ever; nobody
// attacks the name of one's own cache directory.

#pragma once

#include <cstdint>

#include "absl/strings/string_view.h"

namespace vt::base {

constexpr uint64_t Fnv1a64(absl::string_view bytes) {
  uint64_t hash = 0xcbf29ce484222325;
  for (const char byte : bytes) {
    hash ^= static_cast<unsigned char>(byte);
    hash *= 0x100000001b3;
  }
  return hash;
}

}  // namespace vt::base
