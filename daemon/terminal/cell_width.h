// SPDX-License-Identifier: Apache-2.0
//
// How much room text takes on a terminal, and cutting it to what there is.

#pragma once

#include <string>

#include "absl/strings/string_view.h"

namespace vt::terminal {

// Takes the first character off UTF-8 `text`, which is not empty. U+FFFD for
// each byte that is none.
char32_t TakeCharacter(absl::string_view* text);

// 0, 1 or 2 cells (wcwidth(3) without a locale); control characters take none.
int CellWidth(char32_t character);

// Cells of UTF-8 `text`.
int TextWidth(absl::string_view text);

// `text` without control characters, in at most `width` cells; "…" at the end
// if that cuts it.
std::string Clip(absl::string_view text, int width);

// The end of `text` that fits in `width` cells, "…" before it if that cuts it.
std::string ClipFront(absl::string_view text, int width);

}  // namespace vt::terminal
