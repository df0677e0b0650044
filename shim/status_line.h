// SPDX-License-Identifier: Apache-2.0
//
// StatusLine: one line below everything else on the terminal that says how the
// run goes. The daemon writes its text; the shim knows when there is a place
// for it.

#pragma once

#include <optional>
#include <string>

namespace vt::shim {

// Draws on stdout and leaves the cursor in the first column of the line, so
// that whatever is written next overwrites it, and nothing is ever scrolled.
//
// It is not drawn in the midst of somebody's line, while the terminal belongs
// to another process group (`vt run … &`), or while it is muted. All writes are
// short and are left out if the terminal does not take them at once.
// Thread-compatible.
class StatusLine {
 public:
  StatusLine() = default;
  ~StatusLine() { Hide(); }
  StatusLine(const StatusLine&) = delete;
  StatusLine& operator=(const StatusLine&) = delete;

  // What to show from now on; empty: nothing.
  void Set(std::string text);

  // Before and after `bytes` are written to descriptor `fd`. Also stdout and
  // stderr may be something else than the terminal.
  void BeforeOutput(int fd, const std::string& bytes);
  void AfterOutput();

  // While a task owns the terminal: nothing is drawn.
  void Mute(bool muted);

 private:
  bool IsTerminal(int fd);
  void Show();
  void Hide();

  std::string text_;
  bool shown_ = false;
  bool muted_ = false;
  bool at_line_start_ = true;
  std::optional<bool> is_terminal_[2];  // stdout, stderr
};

}  // namespace vt::shim
