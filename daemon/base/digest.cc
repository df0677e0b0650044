// SPDX-License-Identifier: Apache-2.0

#include "daemon/base/digest.h"

namespace vt::base {

Digest Digest::FromBytes(absl::string_view raw) {
  Digest digest;
  if (raw.size() == kSize) {
    std::memcpy(digest.bytes.data(), raw.data(), kSize);
  }
  return digest;
}

std::string Digest::ToHex() const {
  static constexpr char kHex[] = "0123456789abcdef";
  std::string out;
  out.reserve(2 * kSize);
  for (uint8_t byte : bytes) {
    out.push_back(kHex[byte >> 4]);
    out.push_back(kHex[byte & 15]);
  }
  return out;
}

}  // namespace vt::base
