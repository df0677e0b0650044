// SPDX-License-Identifier: Apache-2.0
//
// Starts the daemon below its keeper, and waits until it serves.

#pragma once

#include <string>

#include "shim/directories.h"
#include "shim/failure.h"

namespace vt::shim {

// Where the other programs lie: found from this one's own place, so that the
// tree works from anywhere it is copied to.
struct Programs {
  std::string daemon;  // beside `vt`
  std::string keeper;  // ../lib/vtask/vt-keeper from there
};
Programs FindPrograms();

// Starts a daemon; returns when it accepts connections. The caller holds the
// start lock, and the directories exist. Blocking, at most 30 s.
//
// The daemon says "ok\n" or "error: …\n" on the pipe that `--ready-fd` names;
// end of file without a word means that it died, and the failure then tells the
// last line that it wrote into its log.
MaybeFailure StartDaemon(const Directories& directories);

}  // namespace vt::shim
