// SPDX-License-Identifier: Apache-2.0
//
// `vt report`: what libvtask_client offers to programs, for shell scripts
// (tool-ipc.md D16). Talks to the endpoint of the task that it runs in, never
// to the daemon's socket, and does nothing outside of a run.

#pragma once

namespace vt::shim {

// The exit code: 0; 1 for `get-env` of a variable that is not set; 2 for a
// command line that makes no sense or a request that was refused. An endpoint
// that is gone is a warning: it is no reason for a script to fail.
int ReportCommand(int argc, char** argv);

}  // namespace vt::shim
