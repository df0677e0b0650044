// SPDX-License-Identifier: Apache-2.0
//
// UTF-8, as far as we have to read and write it.

#pragma once

#include <cstdint>
#include <string>

#include "absl/strings/string_view.h"

namespace vt::base {

// Appends the encoding of `code`, at most 0x10ffff. A lone surrogate is encoded
// as if it were a character.
void AppendUtf8(uint32_t code, std::string* out);

// Length of the UTF-8 character at the start of `text`, 0 if there is none:
// overlong forms, surrogates and what is beyond U+10FFFF are no characters.
size_t Utf8Length(absl::string_view text);

}  // namespace vt::base
