// SPDX-License-Identifier: Apache-2.0
//
// What every kind of session says of itself, and to its caller.

#pragma once

#include <string>

#include "absl/time/time.h"

#include "daemon/run/runner.h"
#include "vtask/v1/daemon.pb.h"

namespace vt::run {

// `root` may be empty: it is in no workspace, or that is not known yet.
vtask::v1::RunInfo InfoOf(RunId id, const vtask::v1::RunStart& start,
                          const std::string& root, absl::Time started);

// Text for the caller's own streams.
void SendText(bool is_stderr, std::string bytes, RunSink* sink);

// The exit code, and that nothing follows.
void SendExit(int exit_code, RunSink* sink);

}  // namespace vt::run
