// SPDX-License-Identifier: Apache-2.0
//
// Finds the user's daemon, or has one started. connect.cc has the treatise.

#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "daemon/base/unique_fd.h"
#include "shim/directories.h"
#include "shim/failure.h"

namespace vt::shim {

// Connects to the Unix socket `path` if a process of this user listens there;
// else invalid. Names of any length: a name over the 107 bytes of sockaddr_un
// goes through its directory's descriptor. Blocking.
base::UniqueFd ConnectTo(const std::string& path);

// Connects to the daemon of `directories` if one runs, else invalid.
base::UniqueFd ConnectToRunning(const Directories& directories);

// A daemon that gives way to this shim because it is older.
struct Replaced {
  std::string version;
  uint64_t build = 0;
};

// Connects, starting a daemon if none runs. With `replaced`: waits until that
// one has let go of the cache, and connects to its successor. Ten callers at
// once start one daemon; the pid of one that this call has started goes to
// `started` (may be null), else 0. Blocking, in all at most about 100 s; in
// practice the start of a process.
MaybeFailure ConnectOrStart(const Directories& directories,
                            const std::optional<Replaced>& replaced,
                            base::UniqueFd* out, pid_t* started = nullptr);

// Waits until the process `pid` has ended, at most 30 s. False if time is up.
bool WaitForEnd(pid_t pid);

}  // namespace vt::shim
