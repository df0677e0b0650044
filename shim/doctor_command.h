// SPDX-License-Identifier: Apache-2.0
//
// `vt doctor`: whether this machine has what vt needs, in words or in JSON.

#pragma once

#include "shim/directories.h"

namespace vt::shim {

// Prints the checks of doctor_checks.h; starts the daemon for those that it
// alone can answer. 0: all works, perhaps with warnings; 1: something does not.
int DoctorCommand(int argc, char** argv, const Directories& directories);

}  // namespace vt::shim
