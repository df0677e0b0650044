// SPDX-License-Identifier: Apache-2.0

#include "daemon/terminal/keys.h"

#include <optional>

#include "daemon/terminal/cell_width.h"

namespace vt::terminal {
namespace {

constexpr char kEsc = '\x1b';

std::optional<Key::Kind> ControlKey(char c) {
  switch (c) {
    case '\r':
    case '\n':
      return Key::Kind::kEnter;
    case '\x7f':
    case '\b':
      return Key::Kind::kBackspace;
    case '\x03':
      return Key::Kind::kInterrupt;
    case '\x04':
      return Key::Kind::kEndOfInput;
    case '\x15':
      return Key::Kind::kClear;
    case '\x17':
      return Key::Kind::kDeleteWord;
    case '\x10':  // Ctrl-P, as in shells
      return Key::Kind::kUp;
    case '\x0e':  // Ctrl-N
    case '\t':
      return Key::Kind::kDown;
    default:
      return std::nullopt;
  }
}

// What xterm and its like send: "ESC [ A", "ESC O A", "ESC [ 5 ~".
std::optional<Key::Kind> SequenceKey(const std::string& parameters, char last) {
  switch (last) {
    case 'A':
    case 'Z':  // Shift-Tab
      return Key::Kind::kUp;
    case 'B':
      return Key::Kind::kDown;
    case 'H':
      return Key::Kind::kHome;
    case 'F':
      return Key::Kind::kEnd;
    case 'M':  // Enter of the keypad, after ESC O
      return parameters.empty() ? std::optional(Key::Kind::kEnter)
                                : std::nullopt;
    case '~':
      break;
    default:
      return std::nullopt;
  }
  const std::string number = parameters.substr(0, parameters.find(';'));
  if (number == "5") {
    return Key::Kind::kPageUp;
  }
  if (number == "6") {
    return Key::Kind::kPageDown;
  }
  if (number == "1" || number == "7") {
    return Key::Kind::kHome;
  }
  if (number == "4" || number == "8") {
    return Key::Kind::kEnd;
  }
  return std::nullopt;
}

}  // namespace

std::vector<Key> KeyReader::Read(absl::string_view bytes) {
  std::vector<Key> keys;
  for (const char c : bytes) {
    switch (state_) {
      case State::kText:
        if (c == kEsc) {
          character_.clear();
          state_ = State::kEscape;
        } else {
          ReadText(c, &keys);
        }
        break;
      case State::kEscape:
        if (c == '[' || c == 'O') {
          sequence_.clear();
          state_ = c == '[' ? State::kCsi : State::kSs3;
        } else if (c == kEsc) {
          keys.push_back({Key::Kind::kEscape, ""});
        } else {
          // Alt with a key: not ours.
          state_ = State::kText;
        }
        break;
      case State::kCsi:
        if (c >= 0x40 && c <= 0x7e) {
          EndSequence(c, &keys);
        } else {
          sequence_.push_back(c);
        }
        break;
      case State::kSs3:
        EndSequence(c, &keys);
        break;
    }
  }
  return keys;
}

void KeyReader::EndSequence(char last, std::vector<Key>* keys) {
  if (const auto kind = SequenceKey(sequence_, last)) {
    keys->push_back({*kind, ""});
  }
  state_ = State::kText;
}

void KeyReader::ReadText(char c, std::vector<Key>* keys) {
  const auto byte = static_cast<unsigned char>(c);
  if (byte < 0x20 || byte == 0x7f) {
    character_.clear();
    if (const auto kind = ControlKey(c)) {
      keys->push_back({*kind, ""});
    }
    return;
  }
  if (byte < 0x80 || byte >= 0xC0) {
    character_.clear();
  }
  character_.push_back(c);
  const size_t length = byte < 0x80                      ? 1
                        : (character_[0] & 0xE0) == 0xC0 ? 2
                        : (character_[0] & 0xF0) == 0xE0 ? 3
                        : (character_[0] & 0xF8) == 0xF0 ? 4
                                                         : 0;
  if (length == 0) {
    character_.clear();
  } else if (character_.size() == length) {
    absl::string_view text = character_;
    // Not what two halves make by accident.
    if (TakeCharacter(&text) != 0xFFFD && text.empty()) {
      keys->push_back({Key::Kind::kText, character_});
    }
    character_.clear();
  }
}

std::vector<Key> KeyReader::GiveUp() {
  if (state_ != State::kEscape) {
    return {};
  }
  state_ = State::kText;
  return {{Key::Kind::kEscape, ""}};
}

}  // namespace vt::terminal
