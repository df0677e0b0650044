// SPDX-License-Identifier: Apache-2.0

#include "daemon/terminal/cell_width.h"

#include <algorithm>
#include <cstdint>
#include <iterator>

#include "daemon/base/utf8.h"
#include "daemon/terminal/cell_ranges.h"

namespace vt::terminal {
namespace {

constexpr char32_t kReplacement = 0xFFFD;
constexpr absl::string_view kEllipsis = "…";

template <size_t N>
bool IsIn(const CellRange (&ranges)[N], char32_t character) {
  const CellRange* found = std::upper_bound(
      std::begin(ranges), std::end(ranges), character,
      [](char32_t c, const CellRange& r) { return c < r.first; });
  return found != std::begin(ranges) && character <= std::prev(found)->last;
}

bool IsControl(char32_t c) { return c < 0x20 || (c >= 0x7F && c < 0xA0); }

}  // namespace

char32_t TakeCharacter(absl::string_view* text) {
  const size_t length = base::Utf8Length(*text);
  const auto byte = [&](size_t i) {
    return static_cast<uint32_t>(static_cast<unsigned char>((*text)[i]));
  };
  // Bits of the first byte that belong to the character.
  char32_t code = length == 1 ? byte(0) : byte(0) & (0x7FU >> length);
  for (size_t i = 1; i < length; ++i) {
    code = code << 6 | (byte(i) & 0x3F);
  }
  text->remove_prefix(length == 0 ? 1 : length);
  return length == 0 ? kReplacement : code;
}

int CellWidth(char32_t character) {
  if (IsControl(character)) {
    return 0;
  }
  if (character < 0x300) {
    return 1;
  }
  return IsIn(kNoCell, character) ? 0 : IsIn(kTwoCells, character) ? 2 : 1;
}

int TextWidth(absl::string_view text) {
  int width = 0;
  while (!text.empty()) {
    width += CellWidth(TakeCharacter(&text));
  }
  return width;
}

std::string Clip(absl::string_view text, int width) {
  std::string out;
  // Where to cut if it turns out to be too long: one cell is for the ellipsis.
  size_t cut = 0;
  int used = 0;
  while (!text.empty()) {
    const char32_t character = TakeCharacter(&text);
    if (IsControl(character)) {
      continue;
    }
    used += CellWidth(character);
    if (used > width) {
      out.resize(cut);
      return width < 1 ? "" : out.append(kEllipsis.data(), kEllipsis.size());
    }
    base::AppendUtf8(character, &out);
    if (used <= width - 1) {
      cut = out.size();
    }
  }
  return out;
}

std::string ClipFront(absl::string_view text, int width) {
  std::string all = Clip(text, TextWidth(text));
  const int size = TextWidth(all);
  if (size <= width || width < 1) {
    return size <= width ? all : "";
  }
  absl::string_view rest = all;
  for (int left = size; left > width - 1;) {
    left -= CellWidth(TakeCharacter(&rest));
  }
  return std::string(kEllipsis).append(rest.data(), rest.size());
}

}  // namespace vt::terminal
