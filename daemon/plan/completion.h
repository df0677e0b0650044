// SPDX-License-Identifier: Apache-2.0
//
// What could be typed next on a command line of `vt`, for the shells. Pure.

#pragma once

#include <string>
#include <vector>

#include "daemon/workspace/workspace.h"

namespace vt::plan {

struct Completion {
  struct Candidate {
    std::string value;        // the whole word
    std::string description;  // one line, may be empty
  };
  std::vector<Candidate> candidates;
  bool wants_files = false;      // names of files fit too
  bool no_space = false;         // more of the word will follow
  bool asked_workspace = false;  // the workspace would make a difference
};

// `words`: the command line as typed so far, from the name of the program on;
// the last one, perhaps empty, is the word to complete. `workspace` is that of
// `cwd`; null: there is none, and only flags and commands are known.
Completion Complete(const std::vector<std::string>& words,
                    const workspace::Workspace* workspace,
                    const std::string& cwd);

}  // namespace vt::plan
