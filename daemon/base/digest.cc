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

std::optional<Digest> Digest::FromHex(absl::string_view hex) {
  if (hex.size() != 2 * kSize) {
    return std::nullopt;
  }
  const auto value = [](char c) {
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
                                  : -1;
  };
  Digest digest;
  for (size_t i = 0; i < kSize; ++i) {
    const int high = value(hex[2 * i]);
    const int low = value(hex[2 * i + 1]);
    if (high < 0 || low < 0) {
      return std::nullopt;
    }
    digest.bytes[i] = static_cast<uint8_t>(high << 4 | low);
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
