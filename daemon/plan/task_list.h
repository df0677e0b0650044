// SPDX-License-Identifier: Apache-2.0
//
// What to say of a task that nobody has.

#pragma once

#include <string>

#include "absl/status/status.h"

#include "daemon/plan/select.h"
#include "daemon/workspace/workspace.h"

namespace vt::plan {

// NOT_FOUND, with the nearest name among the tasks of the selected packages.
absl::Status UnknownTask(const workspace::Workspace& workspace,
                         const Selection& selection, const std::string& typed);

}  // namespace vt::plan
