// SPDX-License-Identifier: Apache-2.0
//
// Keyboard: every key as it is typed, for what the daemon draws on the terminal
// (the task selector).

#pragma once

#include <termios.h>

#include <string>

namespace vt::shim {

// Takes stdin's terminal over: no echo, no lines; Ctrl-C and Ctrl-Z still are
// signals. Keys that were typed before and after stay in the terminal's queue
// for whoever reads next: one that may be the last (Enter, Ctrl-D) is read
// alone, and nothing behind it before the daemon has said what it thinks of it.
// Thread-compatible.
class Keyboard {
 public:
  Keyboard() = default;
  ~Keyboard() { Leave(); }
  Keyboard(const Keyboard&) = delete;
  Keyboard& operator=(const Keyboard&) = delete;

  // `farewell` is written to stdout if we have to leave by ourselves. False:
  // there is no terminal. In the background this stops the process, until it is
  // in the foreground (SIGTTOU; as all programs that do this).
  bool Open(std::string farewell);
  // The daemon wants no more keys, and has tidied up itself.
  void Close();
  // As Close, with the farewell: the daemon is lost, or we are.
  void Leave();

  // Before and after the process is stopped.
  void Suspend();
  void Resume();

  bool is_open() const { return is_open_; }
  int fd() const { return 0; }
  // Whether to read: not while an answer is waited for.
  bool wants_keys() const { return is_open_ && !is_waiting_; }
  // Takes what has been typed, perhaps nothing, up to a key that may be the
  // last. False: there will be no more.
  bool Read(std::string* keys);
  // The daemon has answered.
  void Answered() { is_waiting_ = false; }

 private:
  void SetRaw();
  void Restore();

  bool is_open_ = false;
  bool is_raw_ = false;
  bool is_waiting_ = false;
  std::string farewell_;
  termios before_ = {};
};

}  // namespace vt::shim
