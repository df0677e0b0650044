// SPDX-License-Identifier: Apache-2.0
//
// KeyReader: keys from the bytes that a terminal in raw mode sends.

#pragma once

#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace vt::terminal {

struct Key {
  enum class Kind {
    kText,  // `text`: one character, UTF-8
    kEnter,
    kEscape,
    kBackspace,
    kDeleteWord,  // Ctrl-W
    kClear,       // Ctrl-U
    kInterrupt,   // Ctrl-C, where the terminal makes no signal of it
    kEndOfInput,  // Ctrl-D
    kUp,
    kDown,
    kPageUp,
    kPageDown,
    kHome,
    kEnd,
  };
  Kind kind = Kind::kText;
  std::string text;
};

// Sequences may be split across pieces, as they are on slow lines. Unknown ones
// are passed over. Thread-compatible.
class KeyReader {
 public:
  // The keys that `bytes` complete.
  std::vector<Key> Read(absl::string_view bytes);

  // An escape byte has come and may be the Escape key or the begin of a
  // sequence. If nothing follows soon, call GiveUp.
  bool is_waiting() const { return state_ == State::kEscape; }
  // The key that it was then.
  std::vector<Key> GiveUp();

 private:
  enum class State {
    kText,
    kEscape,  // after ESC
    kCsi,     // after ESC [, until a byte 0x40-0x7e (ECMA-48 5.4)
    kSs3,     // after ESC O: one byte (what arrows send in application mode)
  };

  void ReadText(char c, std::vector<Key>* keys);
  void EndSequence(char last, std::vector<Key>* keys);

  State state_ = State::kText;
  std::string sequence_;   // parameters of a CSI
  std::string character_;  // begin of a UTF-8 character
};

}  // namespace vt::terminal
