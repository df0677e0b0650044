// SPDX-License-Identifier: Apache-2.0
//
// UTF-8, as far as we have to write it.

#pragma once

#include <cstdint>
#include <string>

namespace vt::base {

// Appends the encoding of `code`, at most 0x10ffff. A lone surrogate is encoded
// as if it were a character.
void AppendUtf8(uint32_t code, std::string* out);

}  // namespace vt::base
