// SPDX-License-Identifier: Apache-2.0
//
// What planning a run takes in, as observations: to a task that starts the run,
// a changed manifest or configuration is a changed input, were it only that
// another task would be chosen (decisions H2).

#pragma once

#include <string>
#include <vector>

#include "daemon/fingerprint/file_digests.h"
#include "daemon/plan/command_line.h"
#include "daemon/plan/plan.h"
#include "daemon/run/nest.h"
#include "daemon/workspace/workspace.h"

namespace vt::run {

struct PlanInputs {
  std::vector<Seen> seen;
  // Not empty: there is more to it, which cannot be observed. A sentence.
  std::string unknown;
};

// Of `plan`, which was made in `workspace` with `flags` from absolute `cwd`.
// The evaluation of vite.config files is not in it: that is an action of its
// own (ConfigLoad). Blocking.
PlanInputs ObservePlan(const workspace::Workspace& workspace,
                       const plan::RunFlags& flags, const std::string& cwd,
                       const plan::Plan& plan, fingerprint::FileDigests* files);

}  // namespace vt::run
