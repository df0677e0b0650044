// SPDX-License-Identifier: Apache-2.0
//
// What `vt doctor` looks at on this machine. Each check says what it found and,
// where something is wrong, what to do about it.

#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

#include "vtask/v1/daemon.pb.h"

namespace vt::shim {

// A value.
struct Check {
  enum class State {
    kOk,
    kWarning,  // works, but slower or with less
    kProblem,  // something does not work
  };
  std::string name;
  State state = State::kOk;
  std::string text;
  std::string remedy;  // empty if nothing is to be done
};

// Whether `directory` is ours (`uid`), writable, on a file system of this
// machine, and has room. Missing is fine if it could be made. With
// `must_be_private` others must not be able to write it.
Check CheckDirectory(const std::string& name, const std::string& directory,
                     uid_t uid, bool must_be_private);

// What tools inside tasks can talk through: Unix sockets, or only named pipes,
// tried in `directory`, which must exist.
Check CheckEndpoints(const std::string& directory);

// Limits of inotify as /proc/sys/fs/inotify in `proc` says.
Check CheckInotify(const std::string& proc);

// Descriptors that a process may have.
Check CheckDescriptors();

// The first `node` of `path` ($PATH), and its version.
Check CheckNode(const char* path);

// What the daemon says of itself: version, tracing, its own problems.
std::vector<Check> CheckDaemon(const vtask::v1::StatusResponse& status);

// One line a check, its remedy below.
std::string DescribeChecks(const std::vector<Check>& checks);
// {"ok":…,"checks":[{"name":…,"state":…,"text":…,"remedy":…}]} and a newline.
std::string ChecksJson(const std::vector<Check>& checks);
// None is a problem.
bool AllWork(const std::vector<Check>& checks);

}  // namespace vt::shim
