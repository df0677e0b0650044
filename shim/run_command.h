// SPDX-License-Identifier: Apache-2.0
//
// Everything that the daemon does for a command line: `vt run …` and all others
// but `vt daemon` and `vt --version`.

#pragma once

#include <string>

#include "shim/directories.h"

namespace vt::shim {

// Has the daemon run the command line; the exit code. Does not return if the
// process should end by a signal. `keeper` as for Relay.
int RunCommand(int argc, char** argv, const Directories& directories,
               const std::string& keeper);

// Prints "vt: `message`" on stderr, unless it is empty.
void Complain(const std::string& message);

}  // namespace vt::shim
