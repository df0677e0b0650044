// SPDX-License-Identifier: Apache-2.0

#include "daemon/report/ansi.h"

#include "absl/strings/str_cat.h"

namespace vt::report {
namespace {

absl::string_view Code(Style style) {
  switch (style) {
    case Style::kCommand:
      return "34";
    case Style::kHit:
      return "32";
    case Style::kMiss:
    case Style::kDim:
      return "90";
    case Style::kDisabled:
      return "30";
    case Style::kBrand:
      return "34;1";
    case Style::kSaved:
      return "32;1";
    case Style::kStrong:
      return "1";
    case Style::kBad:
      return "31;1";
  }
  return "0";
}

}  // namespace

std::string Paint(absl::string_view text, Style style, bool colour) {
  if (!colour || text.empty()) {
    return std::string(text);
  }
  return absl::StrCat("\x1b[", Code(style), "m", text, "\x1b[0m");
}

std::string AnsiStripper::Strip(absl::string_view piece) {
  constexpr char kEsc = '\x1b';
  std::string out;
  out.reserve(piece.size());
  for (const char c : piece) {
    switch (state_) {
      case State::kText:
        if (c == kEsc) {
          state_ = State::kEscape;
        } else {
          out.push_back(c);
        }
        break;
      case State::kEscape:
        if (c == '[') {
          state_ = State::kCsi;
        } else if (c == ']') {
          state_ = State::kOsc;
        } else if (c != kEsc) {
          // A two-byte sequence, such as ESC 7: gone with its second byte.
          state_ = State::kText;
        }
        break;
      case State::kCsi:
        if (c >= 0x40 && c <= 0x7e) {
          state_ = State::kText;
        }
        break;
      case State::kOsc:
        if (c == '\a') {
          state_ = State::kText;
        } else if (c == kEsc) {
          state_ = State::kOscEscape;
        }
        break;
      case State::kOscEscape:
        state_ = c == '\\' ? State::kText : State::kOsc;
        break;
    }
  }
  return out;
}

}  // namespace vt::report
