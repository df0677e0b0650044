// SPDX-License-Identifier: Apache-2.0

#include "shim/status_line.h"

#include <poll.h>
#include <unistd.h>

#include <utility>

namespace vt::shim {
namespace {

// All below, too: in a window that was made narrower the line goes on there.
constexpr char kErase[] = "\r\x1b[J";

bool OwnsTerminal() { return ::tcgetpgrp(STDOUT_FILENO) == ::getpgrp(); }

// A terminal that was stopped with Ctrl-S would keep us.
bool WriteNow(const std::string& bytes) {
  pollfd wait = {STDOUT_FILENO, POLLOUT, 0};
  return ::poll(&wait, 1, 0) > 0 &&
         ::write(STDOUT_FILENO, bytes.data(), bytes.size()) > 0;
}

}  // namespace

void StatusLine::Set(std::string text) {
  if (text == text_ && shown_) {
    return;
  }
  text_ = std::move(text);
  if (text_.empty()) {
    Hide();
  } else {
    Show();
  }
}

bool StatusLine::IsTerminal(int fd) {
  std::optional<bool>& known = is_terminal_[fd == STDOUT_FILENO ? 0 : 1];
  if (!known.has_value()) {
    known = ::isatty(fd) == 1;
  }
  return *known;
}

void StatusLine::BeforeOutput(int fd, const std::string& bytes) {
  const bool is_standard = fd == STDOUT_FILENO || fd == STDERR_FILENO;
  if (!bytes.empty() && is_standard && IsTerminal(fd)) {
    Hide();
    at_line_start_ = bytes.back() == '\n';
  }
}

void StatusLine::AfterOutput() {
  if (!shown_) {
    Show();
  }
}

void StatusLine::Mute(bool muted) {
  muted_ = muted;
  if (muted_) {
    Hide();
    // Whatever it leaves behind, most programs end their last line.
    at_line_start_ = true;
  } else {
    Show();
  }
}

void StatusLine::Show() {
  if (text_.empty() || muted_ || !at_line_start_ || !OwnsTerminal()) {
    return;
  }
  // One write: no moment without it.
  shown_ = WriteNow(std::string(kErase) + text_ + "\r") || shown_;
}

void StatusLine::Hide() {
  if (shown_ && OwnsTerminal()) {
    static_cast<void>(WriteNow(kErase));
  }
  shown_ = false;
}

}  // namespace vt::shim
