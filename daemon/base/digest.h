// SPDX-License-Identifier: Apache-2.0
//
// Digest: 32 bytes of SHA-256, as a value. What computes it is in fingerprint/.

#pragma once

#include <array>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string>
#include <utility>

#include "absl/strings/string_view.h"

namespace vt::base {

// Immutable value; thread-compatible.
struct Digest {
  static constexpr size_t kSize = 32;

  std::array<uint8_t, kSize> bytes = {};

  // The 32 raw bytes, as stored. The view lives as long as this object.
  absl::string_view AsBytes() const {
    return {reinterpret_cast<const char*>(bytes.data()), kSize};
  }
  // From 32 raw bytes; anything else gives the zero digest, which equals the
  // digest of nothing.
  static Digest FromBytes(absl::string_view raw);
  // The reverse of ToHex; nullopt for anything else.
  static std::optional<Digest> FromHex(absl::string_view hex);
  // Lower-case hexadecimal, 64 characters.
  std::string ToHex() const;
  bool IsZero() const { return *this == Digest{}; }

  friend bool operator==(const Digest& a, const Digest& b) {
    return a.bytes == b.bytes;
  }
  friend bool operator<(const Digest& a, const Digest& b) {
    return a.bytes < b.bytes;
  }
  template <typename H>
  friend H AbslHashValue(H h, const Digest& d) {
    // The bytes are uniformly distributed already: eight are enough.
    uint64_t word = 0;
    std::memcpy(&word, d.bytes.data(), sizeof word);
    return H::combine(std::move(h), word);
  }
};

}  // namespace vt::base
