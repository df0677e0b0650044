// SPDX-License-Identifier: Apache-2.0
//
// What becomes of an action that has ended: the one trip to the worker pool
// that ends in a stored result, or in the reason why there is none.

#pragma once

#include <optional>
#include <string>
#include <vector>

#include "daemon/cache/action_cache.h"
#include "daemon/run/nest.h"
#include "daemon/run/task_process.h"
#include "vtask/storage/v1/storage.pb.h"
#include "vtask/v1/run_event.pb.h"

namespace vt::run {

struct FinishedRun {
  cache::ActionKey key;
  TaskEnd end;
  Nest nest;
  std::vector<vtask::storage::v1::LogChunk> log;
  std::vector<std::string> user_untracked;
  bool watches_env = false;  // plan::Step::watches_env
  // Found::globs_before.
  std::optional<vtask::storage::v1::Value> globs_before;
};

struct Kept {
  std::optional<vtask::v1::NotStored> why_not;
  cache::Hit stored;                              // else
  std::vector<vtask::storage::v1::LogChunk> log;  // of what is stored
  std::vector<std::string> notes;
  std::vector<vtask::storage::v1::ToolReport> tool_reports;
};

// Blocking: worker pool only.
Kept KeepResult(cache::ActionCache* cache, FinishedRun run);

// Of an action that has failed: its outputs are its own all the same. Without
// that, notes that a tool keeps for its next run would make that one, and every
// further one, depend on them as on somebody else's. Blocking: worker pool
// only.
void RememberFailed(cache::ActionCache* cache, FinishedRun run);

}  // namespace vt::run
