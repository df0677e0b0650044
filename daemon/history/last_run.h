// SPDX-License-Identifier: Apache-2.0
//
// LastRun: the events of the last finished run of each workspace, one file
// each, for `vt run --last-details`. Blocking.

#pragma once

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

#include "vtask/v1/run_event.pb.h"

namespace vt::history {

// Keeps `record` as the last run of its workspace, below `directory` (created
// if missing, 0700).
absl::Status SaveLastRun(const std::string& directory,
                         const vtask::v1::RunRecord& record);

// NOT_FOUND: there was none. FAILED_PRECONDITION: kept by another version.
// The messages are those of R-SUM-7.
absl::StatusOr<vtask::v1::RunRecord> LoadLastRun(
    const std::string& directory, const std::string& workspace_root);

// Forgets those of all workspaces. What cannot be removed stays. Blocking.
void ForgetLastRuns(const std::string& directory);

}  // namespace vt::history
