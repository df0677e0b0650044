// SPDX-License-Identifier: Apache-2.0
//
// Spawn starts one program in a process group of its own, at a price that does
// not grow with the daemon (shared/stack.md 3: clone(VM|VFORK|PIDFD), not
// fork). It knows nothing of tracking but the hook that installs a filter.

#pragma once

#include <linux/filter.h>
#include <sys/resource.h>
#include <sys/types.h>

#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"

#include "daemon/base/unique_fd.h"

namespace vt::exec {

struct SpawnOptions {
  std::string program;            // absolute; never searched for
  std::vector<std::string> argv;  // argv[0] included
  std::vector<std::string> env;   // "NAME=value", complete
  std::string cwd;                // absolute
  int stdin_fd = -1;              // -1: /dev/null; borrowed
  int stdout_fd = -1;
  int stderr_fd = -1;
  mode_t umask = 022;
  int nice = 0;  // absolute niceness wanted
  std::vector<std::pair<int, rlimit>> limits;

  // Tracking: a seccomp program with a user-notification listener, installed
  // between clone and execve. Null: none. The listener's descriptor number (it
  // appears in this process) is written as one int to `listener_pipe` before
  // execve, which is the first notification: somebody must be reading that pipe
  // on another thread, for this call waits for the execve to be answered.
  const sock_fprog* filter = nullptr;
  unsigned filter_flags = 0;  // SECCOMP_FILTER_FLAG_*
  int listener_pipe = -1;
  // For the tracker's self-test: called in the child under the filter, before
  // execve. System calls only, no allocation, no lock: it shares this process's
  // memory. Null: nothing.
  void (*probe)(void* argument) = nullptr;
  void* probe_argument = nullptr;
};

struct Child {
  pid_t pid = -1;  // also its process group and session
  base::UniqueFd pidfd;
};

// Starts the program. Call it from a thread that lives as long as the daemon:
// PR_SET_PDEATHSIG follows the thread. Blocks until the execve.
//
// Errors: NOT_FOUND, PERMISSION_DENIED, FAILED_PRECONDITION... with what failed
// ("execve `/x/y`", "chdir `/z`") and errno's text; RESOURCE_EXHAUSTED for
// EAGAIN and ENOMEM; UNIMPLEMENTED if the filter was refused by the kernel.
absl::StatusOr<Child> Spawn(const SpawnOptions& options);

}  // namespace vt::exec
