// SPDX-License-Identifier: Apache-2.0

#include "shim/keyboard.h"

#include <poll.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

namespace vt::shim {

namespace {

constexpr char kEndOfInput = 4;  // Ctrl-D

}  // namespace

bool Keyboard::Open(std::string farewell) {
  farewell_ = std::move(farewell);
  if (is_open_) {
    return true;
  }
  if (::tcgetattr(STDIN_FILENO, &before_) != 0) {
    return false;
  }
  is_open_ = true;
  is_waiting_ = false;
  SetRaw();
  return true;
}

void Keyboard::Close() {
  Restore();
  is_open_ = false;
}

void Keyboard::Leave() {
  if (is_open_) {
    Suspend();
    is_open_ = false;
  }
}

void Keyboard::Suspend() {
  if (!is_raw_) {
    return;
  }
  pollfd wait = {STDOUT_FILENO, POLLOUT, 0};
  if (!farewell_.empty() && ::poll(&wait, 1, 0) > 0) {
    static_cast<void>(
        ::write(STDOUT_FILENO, farewell_.data(), farewell_.size()) > 0);
  }
  Restore();
}

void Keyboard::Resume() {
  if (is_open_ && !is_raw_) {
    // The shell may have changed it meanwhile.
    ::tcgetattr(STDIN_FILENO, &before_);
    SetRaw();
  }
}

bool Keyboard::Read(std::string* keys) {
  constexpr size_t kAtOnce = 256;
  keys->clear();
  pollfd typed = {STDIN_FILENO, POLLIN, 0};
  do {
    char key = 0;
    const ssize_t n = ::read(STDIN_FILENO, &key, 1);
    if (n <= 0) {
      return !keys->empty() || (n < 0 && (errno == EINTR || errno == EAGAIN));
    }
    keys->push_back(key);
    is_waiting_ = key == '\n' || key == '\r' || key == kEndOfInput;
  } while (!is_waiting_ && keys->size() < kAtOnce && ::poll(&typed, 1, 0) > 0);
  return true;
}

void Keyboard::SetRaw() {
  termios raw = before_;
  raw.c_lflag &= ~static_cast<tcflag_t>(ICANON | ECHO | ECHONL | IEXTEN);
  // Enter stays the line feed that it is otherwise: what is typed ahead of the
  // task comes to it as it expects.
  raw.c_iflag &= ~static_cast<tcflag_t>(IXON | INLCR | ISTRIP);
  raw.c_cc[VMIN] = 1;
  raw.c_cc[VTIME] = 0;
  // TCSADRAIN, not TCSAFLUSH: what was typed ahead is meant for us.
  is_raw_ = ::tcsetattr(STDIN_FILENO, TCSADRAIN, &raw) == 0;
}

void Keyboard::Restore() {
  if (is_raw_) {
    ::tcsetattr(STDIN_FILENO, TCSADRAIN, &before_);
    is_raw_ = false;
  }
}

}  // namespace vt::shim
