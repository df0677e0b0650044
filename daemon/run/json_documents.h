// SPDX-License-Identifier: Apache-2.0
//
// The two documents of `vt run --json` (spec/runner.md 7.3): the task graph and
// the run plan. docs/schema describes them. Pure.

#pragma once

#include <string>

#include "daemon/plan/plan.h"
#include "daemon/run/forecast.h"
#include "daemon/workspace/workspace.h"

namespace vt::run {

// "packages/a#build", or "build" for the root; `%` and `#` of each part are
// written %25 and %23.
std::string TaskId(const std::string& package_path, const std::string& task);

// `schema` is the URL of docs/schema/task-graph.schema.json. One line, with its
// newline.
std::string TaskGraphJson(const workspace::Workspace& workspace,
                          const std::string& schema);

struct RunPlanOptions {
  std::string schema;  // URL of docs/schema/run-plan.schema.json
  // 0: changes up to the first file; 1: all; 2: also what earlier results were
  // made from.
  int verbose = 0;
  std::string cache_error;  // not empty: why nothing is known
};
std::string RunPlanJson(const workspace::Workspace& workspace,
                        const plan::Plan& plan, const Forecast& forecast,
                        const RunPlanOptions& options);

}  // namespace vt::run
