// SPDX-License-Identifier: Apache-2.0
//
// Colours: our own styles, and the removal of other people's escape sequences
// where the stream cannot show them (spec/runner.md R-OUT-4).

#pragma once

#include <string>

#include "absl/strings/string_view.h"

namespace vt::report {

enum class Style {
  kCommand,
  kHit,
  kMiss,
  kDisabled,
  kDim,
  kBrand,
  kSaved,
  kStrong,
  kBad
};

// `text` in `style` if `colour`, else `text`. Empty text stays empty.
std::string Paint(absl::string_view text, Style style, bool colour);

// Removes CSI and OSC sequences from a byte stream, also where they are split
// across pieces. Thread-compatible.
class AnsiStripper {
 public:
  // The printable rest of `piece`; an unfinished sequence is kept for the next.
  std::string Strip(absl::string_view piece);

 private:
  enum class State {
    kText,
    kEscape,     // after ESC
    kCsi,        // after ESC [, until a final byte 0x40-0x7e (ECMA-48 5.4)
    kOsc,        // after ESC ], until BEL or ESC backslash
    kOscEscape,  // ESC inside an OSC
  };
  State state_ = State::kText;
};

}  // namespace vt::report
