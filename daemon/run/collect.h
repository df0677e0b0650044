// SPDX-License-Identifier: Apache-2.0
//
// Collect: what tracking saw and tools said becomes what the cache stores. The
// one place where both wings meet as values: no loop, no store, testable alone.

#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "daemon/base/digest.h"
#include "daemon/base/env_query.h"
#include "daemon/cache/action_cache.h"
#include "daemon/fingerprint/file_digests.h"
#include "daemon/ipc/tool_endpoint.h"
#include "daemon/run/nest.h"
#include "daemon/track/access_set.h"
#include "vtask/storage/v1/storage.pb.h"
#include "vtask/v1/run_event.pb.h"

namespace vt::run {

struct CollectInput {
  std::string root;  // absolute
  const vtask::storage::v1::WeakDescription* description = nullptr;
  const track::AccessSet* accesses = nullptr;  // null: not tracked
  const ipc::ToolReports* reports = nullptr;
  std::vector<std::string> user_untracked;  // patterns, D6
  bool watches_env = false;                 // plan::Step::watches_env
  // Value of the explicit globs before the action ran, if it has any.
  std::optional<vtask::storage::v1::Value> globs_before;
  fingerprint::FileDigests* files = nullptr;
  const base::EnvMap* env = nullptr;  // plan::Step::tool_env
  // What ran inside of it; null: nothing.
  const Nest* nest = nullptr;
  // H4: content once recorded as an output here for this weak fingerprint, or
  // that of a nested action.
  std::function<bool(const std::string& path, const base::Digest&)>
      is_own_output;
  // Whether this weak fingerprint has made a file with these permissions here,
  // whatever stood there before.
  std::function<bool(const std::string& path, uint32_t mode)> is_own_mode;
  mode_t umask = 022;  // of the caller
};

struct Collected {
  // Set: the run may not be stored, and this is why.
  std::optional<vtask::v1::NotStored> not_stored;
  cache::FinishedAction action;    // without log, started, duration
  std::vector<std::string> notes;  // one line each, for people
  // What tools said, also of a run that is not stored.
  std::vector<vtask::storage::v1::ToolReport> tool_reports;
};

// Blocking: lists directories, and reads .env files. Worker pool only.
Collected Collect(const CollectInput& input);

}  // namespace vt::run
