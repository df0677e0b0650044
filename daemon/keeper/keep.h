// SPDX-License-Identifier: Apache-2.0
//
// The keeper: parent of the daemon, outlives it, and cleans up behind it.

#pragma once

namespace vt::keeper {

struct KeepOptions {
  int ready_fd = -1;          // inherited by the daemon, closed here
  const char* log = nullptr;  // appended to; null: /dev/null
  char** command = nullptr;   // null-terminated; [0] is an absolute path
};

// Leaves the caller's session and descriptors (the calling process returns 0 at
// once; the rest happens in a daemonised child), starts `command` with
// "--keeper-fd M" appended, serves M (held_listeners.h), and when the daemon is
// gone kills every process that it left, then closes what it held.
//
// If the command cannot be started, "error: …\n" is written to `ready_fd`.
int RunKeeper(const KeepOptions& options);

}  // namespace vt::keeper
