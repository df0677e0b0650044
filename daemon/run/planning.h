// SPDX-License-Identifier: Apache-2.0
//
// Planning on the worker pool: from a command line to a plan, and what can be
// answered from the plan alone: the task list, dry runs, the Plan and ListTasks
// calls. Blocking; no state.

#pragma once

#include <memory>
#include <optional>
#include <string>

#include "absl/status/statusor.h"

#include "daemon/cache/action_cache.h"
#include "daemon/plan/plan.h"
#include "daemon/report/renderer.h"
#include "daemon/run/plan_inputs.h"
#include "daemon/run/run_log.h"
#include "daemon/watch/watcher.h"
#include "daemon/workspace/workspace.h"
#include "vtask/v1/daemon.pb.h"

namespace vt::run {

// As ConfigLoad loads it.
using WorkspacePtr = std::shared_ptr<const workspace::Workspace>;

// How events, plans and answers name `step` of `task`. `index` is unique in the
// run or the answer.
vtask::v1::ActionRef RefOf(const plan::PlannedTask& task,
                           const plan::Step& step, uint32_t index);

struct PlannedRun {
  std::string root;
  // Null if the question was another one: then there is a text.
  std::shared_ptr<const plan::Plan> plan;
  // Set: nothing is to be run; this is the answer, for standard output.
  std::optional<std::string> text;
  // Set: as `text`, for standard error.
  std::optional<std::string> complaint;
  int exit_code = 0;
  // `text` says that there is no such task, and which are like it (R-CLI-6).
  bool task_unknown = false;
  // For the action that it was started from; else empty.
  PlanInputs inputs;
  // That the same request would be planned so again. May be null.
  watch::LeasePtr lease;
};

// `cache` may be null: dry runs then say what they can. `options` are for
// the text alone. Blocking.
absl::StatusOr<PlannedRun> PlanRun(const WorkspacePtr& workspace,
                                   const plan::RunFlags& flags,
                                   const plan::CallerFacts& caller,
                                   cache::ActionCache* cache,
                                   const RunLog& run_log,
                                   const report::RenderOptions& options);

// `argv` as of `vt run`: ["run",] flags, task, arguments.
absl::StatusOr<vtask::v1::PlanResponse> AnswerPlan(
    const WorkspacePtr& workspace, const settings::Settings& settings,
    const vtask::v1::PlanRequest& request, cache::ActionCache* cache);

absl::StatusOr<vtask::v1::ListTasksResponse> AnswerListTasks(
    const WorkspacePtr& workspace, const vtask::v1::ListTasksRequest& request);

// `workspace` may be null: the caller's directory is in none that can be read.
// `asked_workspace` (may be null): whether it made, or would make, a
// difference.
vtask::v1::CompleteResponse AnswerComplete(
    const WorkspacePtr& workspace, const vtask::v1::CompleteRequest& request,
    bool* asked_workspace);

}  // namespace vt::run
