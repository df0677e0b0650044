// SPDX-License-Identifier: Apache-2.0
//
// The minder: stands between the shim and a task that the shim runs on its own
// terminal, in the shim's process group, so that no process of the task
// outlives a killed shim (decisions H16).
//
// Messages on its socket (SOCK_SEQPACKET), decimal text, never changed:
//   minder: "S 4711"            started, with this pid
//   minder: "F execve `/x`: …"  not started
//   minder: "X 256"             ended, with this wait(2) status; the last word
//   shim:   "T 15"              send this signal to the task
// The shim's end closed: SIGKILL to the whole tree.

#pragma once

namespace vt::keeper {

// Runs `command` ([0] the program's path, [1] and on its argv, null-terminated)
// with everything inherited: stdio, environment, directory, ignored signals,
// signal mask. Returns the exit code of the minder itself: 0 if the task was
// started.
//
// A task that ends by itself may leave processes behind, as any command may;
// after an interruption (Ctrl-C, hangup, a signal from the shim) they have 2 s,
// then they are killed.
int RunMinder(int socket, char** command);

}  // namespace vt::keeper
