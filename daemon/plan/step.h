// SPDX-License-Identifier: Apache-2.0
//
// From a task to its steps: hooks, the native grammar, `cd` and `echo`,
// programs and environment (spec/runner.md 4.1, 4.3, 4.5).

#pragma once

#include <set>
#include <string>
#include <vector>

#include "absl/status/statusor.h"

#include "daemon/plan/plan.h"

namespace vt::plan {

// What all steps of a run have in common. Everything outlives the call.
struct StepFacts {
  const workspace::Workspace& workspace;
  const CallerFacts& caller;
  // Of the caller's environment, with PATH.
  const std::set<std::string>& default_names;
  bool cache_scripts = false;  // after --cache and --no-cache
  bool cache_tasks = true;
};

// The steps of `task` of package `package`, with its hooks; `extra_args` go to
// the last step of the task itself. FAILED_PRECONDITION: a program is not
// found, or `cd` cannot be executed. Looks at PATH on disk.
absl::StatusOr<std::vector<Step>> MakeSteps(
    const StepFacts& facts, int package, const workspace::Task& task,
    const std::vector<std::string>& extra_args);

}  // namespace vt::plan
