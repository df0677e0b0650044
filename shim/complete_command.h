// SPDX-License-Identifier: Apache-2.0
//
// `vt completion SHELL` prints the script that teaches a shell about vt, and
// `vt __complete WORDS…` is what those scripts ask. The first must not need a
// daemon: shells run it whenever they start.

#pragma once

#include <string>

#include "shim/directories.h"
#include "vtask/v1/daemon.pb.h"

namespace vt::shim {

// `argv` is all of `vt completion …`. Returns the exit code.
int CompletionCommand(int argc, char** argv);

// `argv` is all of `vt __complete …`; behind it the words of the command line,
// the last one being the one to complete. Never complains, and ends in time
// whatever happens: somebody waits for the prompt.
int CompleteCommand(int argc, char** argv, const Directories& directories);

// Lines for the scripts: "word", the word and its description, and "files" and
// "nospace", separated by tabs.
std::string CompletionLines(const vtask::v1::CompleteResponse& response);

}  // namespace vt::shim
