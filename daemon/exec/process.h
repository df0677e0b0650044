// SPDX-License-Identifier: Apache-2.0
//
// Process: a spawned child on the loop: its exit, and the end of all that it
// started.

#pragma once

#include <sys/types.h>

#include <functional>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"

#include "daemon/exec/spawn.h"
#include "daemon/loop/event_loop.h"

namespace vt::exec {

struct ExitStatus {
  int code = 0;    // exit code, or 128 + signal
  int signal = 0;  // 0: it exited by itself
};

// Loop-bound. Reaps its child.
class Process {
 public:
  using ExitCallback = std::function<void(ExitStatus)>;

  // Takes over `child`; `on_exit` is called once, on the loop.
  static std::unique_ptr<Process> Watch(loop::EventLoop* loop, Child child,
                                        ExitCallback on_exit);
  virtual ~Process() = default;

  virtual pid_t pid() const = 0;

  // Sends `signal` to every process of the tree: the group, and descendants
  // that left it (found below the child in /proc).
  virtual void SignalTree(int signal) = 0;

  // Ends the whole tree: `first` now, SIGTERM after 5 s, SIGKILL 2 s later
  // (decisions H17). A second call goes to SIGKILL at once.
  virtual void Terminate(int first) = 0;
};

// SIGKILLs what is left of the tree that was rooted at `pid` (its group and
// session, and children reparented to this process that carry `marker` as an
// environment entry "NAME=value"), and reaps what has become ours. A zombie of
// another process is not waited for. Blocking: some ms, at most about 2 s.
void KillLeftovers(pid_t pid, const std::string& marker);

// Reaps zombies that were reparented to this process (it is a child subreaper),
// but for the pids that `is_watched`: these belong to a Process, which wants to
// know how they ended. Blocking: one walk of /proc.
void ReapOrphans(const std::function<bool(pid_t)>& is_watched);

}  // namespace vt::exec
