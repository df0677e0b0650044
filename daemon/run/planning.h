// SPDX-License-Identifier: Apache-2.0
//
// Planning on the worker pool: from a command line to a plan, and what can be
// answered from the plan alone: the task list, dry runs, the Plan and ListTasks
// calls. Blocking; no state.

#pragma once

#include <optional>
#include <string>

#include "absl/status/statusor.h"

#include "daemon/cache/action_cache.h"
#include "daemon/plan/plan.h"
#include "vtask/v1/daemon.pb.h"

namespace vt::run {

struct PlannedRun {
  std::string root;
  plan::Plan plan;
  // Set: nothing is to be run; this is the answer, for standard output.
  std::optional<std::string> text;
  // Set: as `text`, for standard error.
  std::optional<std::string> complaint;
  int exit_code = 0;
};

// `cache` may be null: dry runs then say what they can. `last_runs` is the
// directory of history::LoadLastRun; `colour` is for the text alone.
absl::StatusOr<PlannedRun> PlanRun(const plan::RunFlags& flags,
                                   const plan::CallerFacts& caller,
                                   cache::ActionCache* cache,
                                   const std::string& last_runs, bool colour);

// `argv` as of `vt run`: ["run",] flags, task, arguments.
absl::StatusOr<vtask::v1::PlanResponse> AnswerPlan(
    const vtask::v1::PlanRequest& request, cache::ActionCache* cache);

absl::StatusOr<vtask::v1::ListTasksResponse> AnswerListTasks(
    const vtask::v1::ListTasksRequest& request);

}  // namespace vt::run
