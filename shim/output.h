// SPDX-License-Identifier: Apache-2.0
//
// Output: relayed bytes on their way to stdout and stderr, in order, without
// ever waiting where a signal could not be heard.

#pragma once

#include <string>

#include "absl/strings/string_view.h"

namespace vt::shim {

// Writes all of `text`, for commands that wait for nothing else. False: it
// could not be written.
bool Print(int fd, absl::string_view text);

// Holds one piece at a time: the two streams usually end in one terminal, so a
// piece for stderr must wait for the stdout piece before it. Thread-compatible.
class Output {
 public:
  // Takes `bytes` for descriptor `fd`. Only when is_idle().
  void Take(int fd, absl::string_view bytes);
  // Writes as much as goes without blocking. 0, or the errno of a failure,
  // after which the rest is dropped.
  int Flush();
  bool is_idle() const { return written_ == bytes_.size(); }
  int fd() const { return fd_; }  // to wait for POLLOUT on, unless idle

 private:
  int fd_ = -1;
  bool always_ready_ = false;  // a file: writes in full, cannot be waited for
  std::string bytes_;
  size_t written_ = 0;
};

}  // namespace vt::shim
