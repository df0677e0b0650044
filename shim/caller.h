// SPDX-License-Identifier: Apache-2.0
//
// What the daemon must know of the place where `vt` was typed.

#pragma once

#include "shim/failure.h"
#include "vtask/v1/daemon.pb.h"

namespace vt::shim {

// Fills in all of `start`: arguments, directory, environment, limits, terminal.
//
// Failure: there is no current directory.
MaybeFailure DescribeCaller(int argc, char** argv, vtask::v1::RunStart* start);

// Only the terminal's facts; again after SIGWINCH.
void DescribeTerminal(vtask::v1::Terminal* terminal);

}  // namespace vt::shim
