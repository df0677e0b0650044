// SPDX-License-Identifier: Apache-2.0
//
// `vt daemon start|status|stop`: the only commands that the shim parses,
// because they are about whether there is a daemon to parse anything.

#pragma once

#include <string>

#include "shim/directories.h"
#include "vtask/v1/daemon.pb.h"

namespace vt::shim {

// `argv` is all of `vt daemon …`. Returns the exit code.
int DaemonCommand(int argc, char** argv, const Directories& directories);

// What `vt daemon status` prints; `now_us` since the epoch.
std::string DescribeStatus(const vtask::v1::StatusResponse& status,
                           int64_t now_us);

// "42 s", "5 min", "3 h 20 min", "2 d 1 h".
std::string DescribeDuration(int64_t seconds);

}  // namespace vt::shim
