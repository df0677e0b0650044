// SPDX-License-Identifier: Apache-2.0
//
// Runs: the last finished runs of each workspace, one file each, for `vt run
// --last-details`, `vt explain` and the hit rate of `vt cache status`. A run is
// named by a number that counts up in its workspace. Blocking.

#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"

#include "vtask/v1/run_event.pb.h"

namespace vt::history {

// So many of one workspace are kept, and no more than this many bytes of them.
inline constexpr size_t kMaxRuns = 50;
inline constexpr uint64_t kMaxBytes = 16 << 20;

// Keeps `record` below `directory` (created if missing, 0700) and drops what is
// over the bounds. Returns its number.
absl::StatusOr<uint64_t> SaveRun(const std::string& directory,
                                 vtask::v1::RunRecord record);

// NOT_FOUND: there was none. FAILED_PRECONDITION: kept by another version.
// The messages are those of R-SUM-7.
absl::StatusOr<vtask::v1::RunRecord> LoadLastRun(
    const std::string& directory, const std::string& workspace_root);

// NOT_FOUND: there is no such run (any more), and which there are.
absl::StatusOr<vtask::v1::RunRecord> LoadRun(const std::string& directory,
                                             const std::string& workspace_root,
                                             uint64_t id);

// Newest first; those that cannot be read are left out.
std::vector<vtask::v1::RunRecord> ListRuns(const std::string& directory,
                                           const std::string& workspace_root);

// Of all workspaces.
struct HitRate {
  uint64_t runs = 0;
  uint64_t hits = 0;
  uint64_t lookups = 0;
  int64_t saved_us = 0;
};
HitRate CountHits(const std::string& directory);

// What cannot be removed stays.
void ForgetRuns(const std::string& directory,
                const std::string& workspace_root);
void ForgetAllRuns(const std::string& directory);
// Those that ended before `before`.
void PruneRuns(const std::string& directory, absl::Time before);

}  // namespace vt::history
