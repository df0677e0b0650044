// SPDX-License-Identifier: Apache-2.0
//
// Which packages a command line selects (spec/runner.md 3).

#pragma once

#include <set>
#include <string>
#include <vector>

#include "absl/status/statusor.h"

#include "daemon/plan/command_line.h"
#include "daemon/plan/plan.h"
#include "daemon/workspace/workspace.h"

namespace vt::plan {

struct Selection {
  std::set<int> packages;  // indices into the workspace
  std::string task;        // without the package
  // The request named one package, by `pkg#task` or by where it stands.
  bool single = false;
  std::vector<std::string> warnings;  // lines for stderr
};

// NOT_FOUND: unknown or ambiguous package, or an unmatched filter with
// --fail-if-no-match. INVALID_ARGUMENT: flags that exclude each other, filter
// syntax. FAILED_PRECONDITION: git cannot say what has changed. `flags.task` is
// set. Blocking if a filter asks git.
absl::StatusOr<Selection> Select(const workspace::Workspace& workspace,
                                 const RunFlags& flags,
                                 const CallerFacts& caller);

}  // namespace vt::plan
