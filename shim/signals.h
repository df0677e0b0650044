// SPDX-License-Identifier: Apache-2.0
//
// The signals that the shim passes on, as a descriptor.

#pragma once

#include <signal.h>

#include "daemon/base/unique_fd.h"

namespace vt::shim {

// While it lives, SIGINT, SIGTERM, SIGHUP, SIGQUIT and SIGWINCH come by `fd()`
// instead of their default effect, and a write to a closed pipe is an error
// (EPIPE) instead of the end. What the caller had set to be ignored (nohup, `&`
// in a script) stays ignored. SIGTSTP and SIGCONT keep their effect, but for
// HoldStop: Ctrl-Z stops the shim.
//
// Afterwards all is as before; signals that came and were not read take effect
// then. Thread-compatible, one at a time: signal masks are the process's.
class Signals {
 public:
  Signals();
  ~Signals();
  Signals(const Signals&) = delete;
  Signals& operator=(const Signals&) = delete;

  struct Signal {
    int number = 0;
    // By kill(2) and the like: whoever else is in the process group need not
    // have it. A terminal signals the whole group.
    bool sent_by_process = false;
  };

  int fd() const { return fd_.get(); }
  // One signal that has come; number 0: none.
  Signal Next();
  // From now on, or no longer, SIGTSTP comes by `fd()`, too: whoever has
  // changed the terminal's mode must put it back before the process stops.
  void HoldStop(bool hold);
  // Stops this process as SIGTSTP does; returns when it has been continued.
  void StopSelf();
  // What a child process must have.
  const sigset_t& original_mask() const { return original_; }

 private:
  sigset_t original_ = {};
  sigset_t wanted_ = {};
  base::UniqueFd fd_;
};

// Ends this process by `signal`, so that a shell sees what it would have seen.
[[noreturn]] void DieBy(int signal);

}  // namespace vt::shim
