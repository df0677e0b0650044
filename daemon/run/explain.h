// SPDX-License-Identifier: Apache-2.0
//
// What `vt explain` answers: of the present (a plan and its forecast, which is
// the lookup of a run) and of the past (two runs of the history). Blocking; no
// state.

#pragma once

#include <string>

#include "absl/status/statusor.h"

#include "daemon/cache/action_cache.h"
#include "daemon/plan/plan.h"
#include "daemon/plan/run_command.h"
#include "daemon/report/renderer.h"
#include "daemon/run/forecast.h"
#include "vtask/v1/run_event.pb.h"

namespace vt::run {

// Each step: would it hit, and if not, why.
std::string ExplainPlan(const std::string& root, const plan::Plan& plan,
                        const Forecast& forecast, const plan::RunFlags& flags,
                        const report::RenderOptions& options);

// `--list` and `--diff`. `runs` is the directory of history/runs.h; `cache` may
// be null. NOT_FOUND: there is no such run.
absl::StatusOr<std::string> ExplainPast(const std::string& root,
                                        const plan::RunFlags& flags,
                                        cache::ActionCache* cache,
                                        const std::string& runs,
                                        const report::RenderOptions& options);

// What a later comparison needs to know of the actions of `plan`.
void AddDescriptions(const plan::Plan& plan, vtask::v1::RunRecord* record);

}  // namespace vt::run
