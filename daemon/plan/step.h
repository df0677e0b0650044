// SPDX-License-Identifier: Apache-2.0
//
// From a task to its steps: hooks, the native grammar, `cd`, `echo` and nested
// runs, programs and environment (spec/runner.md 4.1 to 4.3, 4.5).

#pragma once

#include <functional>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "absl/status/statusor.h"

#include "daemon/plan/plan.h"

namespace vt::plan {

// A command of a task that is a run of its own, to be planned in its place.
struct NestedRun {
  RunFlags flags;
  std::string cwd;   // absolute
  base::EnvMap env;  // of the step: PATH and prefix assignments included
};

// What all steps of a task have in common. Everything outlives the call.
struct StepFacts {
  const workspace::Workspace& workspace;
  const base::EnvMap& env;  // of the caller
  // A copy that steps may keep.
  std::shared_ptr<const base::EnvMap> shared_env;
  EnvPool* envs;  // of the plan; never null
  const settings::Settings& settings;
  // Of the caller's environment, with PATH.
  const std::set<std::string>& default_names;
  bool cache_scripts = false;  // after --cache and --no-cache
  bool cache_tasks = true;
  bool refresh = false;  // --force
  mode_t umask = 022;    // of the caller
  // Null: the run asks for what it is part of, and is left out (R-PLAN-14).
  std::function<absl::StatusOr<std::shared_ptr<const Plan>>(const NestedRun&)>
      plan_nested;
};

// The steps of `task` of package `package`, with its hooks; `extra_args` go to
// the last step of the task itself. FAILED_PRECONDITION: a program is not
// found, `cd` cannot be executed, or a nested run cannot be planned;
// INVALID_ARGUMENT: its flags are wrong. Looks at PATH on disk.
absl::StatusOr<std::vector<Step>> MakeSteps(
    const StepFacts& facts, int package, const workspace::Task& task,
    const std::vector<std::string>& extra_args);

}  // namespace vt::plan
