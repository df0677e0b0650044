// SPDX-License-Identifier: Apache-2.0

#include "daemon/base/utf8.h"

namespace vt::base {

void AppendUtf8(uint32_t code, std::string* out) {
  auto byte = [out](uint32_t b) { out->push_back(static_cast<char>(b)); };
  if (code < 0x80) {
    byte(code);
  } else if (code < 0x800) {
    byte(0xC0 | code >> 6);
    byte(0x80 | (code & 0x3F));
  } else if (code < 0x10000) {
    byte(0xE0 | code >> 12);
    byte(0x80 | (code >> 6 & 0x3F));
    byte(0x80 | (code & 0x3F));
  } else {
    byte(0xF0 | code >> 18);
    byte(0x80 | (code >> 12 & 0x3F));
    byte(0x80 | (code >> 6 & 0x3F));
    byte(0x80 | (code & 0x3F));
  }
}

size_t Utf8Length(absl::string_view text) {
  if (text.empty()) {
    return 0;
  }
  const auto byte = [&](size_t i) {
    return static_cast<uint32_t>(static_cast<unsigned char>(text[i]));
  };
  const uint32_t first = byte(0);
  const size_t length = first < 0x80                    ? 1
                        : first >= 0xC2 && first < 0xE0 ? 2
                        : first >= 0xE0 && first < 0xF0 ? 3
                        : first >= 0xF0 && first < 0xF5 ? 4
                                                        : 0;
  if (length == 0 || length > text.size()) {
    return 0;
  }
  for (size_t i = 1; i < length; ++i) {
    if ((byte(i) & 0xC0) != 0x80) {
      return 0;
    }
  }
  const uint32_t second = length > 1 ? byte(1) : 0;
  const bool bad = (first == 0xE0 && second < 0xA0) ||
                   (first == 0xED && second >= 0xA0) ||
                   (first == 0xF0 && second < 0x90) ||
                   (first == 0xF4 && second >= 0x90);
  return bad ? 0 : length;
}

}  // namespace vt::base
