// SPDX-License-Identifier: Apache-2.0
//
// Nest: what an action has to know of the runs that are started from inside of
// it. It is as good as all of them together: their actions' inputs are its
// inputs, their outputs its outputs, and if one of them cannot be stored
// neither can it (decisions H2).

#pragma once

#include <optional>
#include <string>
#include <vector>

#include "daemon/base/digest.h"
#include "daemon/cache/action_cache.h"
#include "daemon/track/nested_changes.h"
#include "vtask/storage/v1/storage.pb.h"
#include "vtask/v1/run_event.pb.h"

namespace vt::run {

// Something that was looked at, and what was seen.
struct Seen {
  vtask::storage::v1::Observation observation;
  vtask::storage::v1::Value value;
};

// A nested action that was a hit or was stored, as far as the action around it
// takes it over.
struct InnerAction {
  std::string label;
  base::Digest weak;
  bool root_only = false;
  std::vector<std::string> env;  // names that count
  std::vector<Seen> seen;
  std::vector<std::string> outputs;  // relative paths
  std::vector<std::string> deletions;

  static InnerAction Of(std::string label,
                        const vtask::storage::v1::WeakDescription& description,
                        cache::Hit hit);
};

// Thread-compatible; filled on the loop, read on the worker pool once the
// action has ended.
struct Nest {
  std::string root;  // absolute, of the action's workspace
  // Runs inside that have not ended.
  int open_runs = 0;
  // Processes that asked for them.
  std::vector<int> callers;
  // Why it may not be stored; the first reason counts.
  std::optional<vtask::v1::NotStored> spoiled;
  std::vector<InnerAction> actions;
  // What planning the runs took in (PlanInputs).
  std::vector<Seen> planned;
  // Where nested actions tell what they are about to change. Empty: it is not
  // tracked, and all that counts of it was declared.
  track::ChangeSink changes;

  // `who` is the nested action or run, `why` a sentence about it.
  void Spoil(const std::string& who, const std::string& why);
};

}  // namespace vt::run
