// SPDX-License-Identifier: Apache-2.0
//
// What an action asks of the cache before it runs: the one trip to the worker
// pool that ends in a replay, or in what the run needs to know.

#pragma once

#include <optional>
#include <string>
#include <vector>

#include "daemon/cache/action_cache.h"
#include "daemon/run/known.h"
#include "daemon/track/nested_changes.h"
#include "daemon/watch/watcher.h"
#include "vtask/storage/v1/storage.pb.h"

namespace vt::run {

struct FindOptions {
  // Run although there is a result.
  bool refresh = false;
  // -vv: Details, too.
  bool wants_details = false;
  // Of the action around: hears what is restored, before it is.
  track::ChangeSink enclosing;
  // Null: nothing is leased.
  watch::Watcher* watcher = nullptr;
  // That of the same key; may be null. What of it holds is not looked at.
  KnownHitPtr known;
};

struct Found {
  cache::LookupResult lookup;
  bool forced = false;  // it runs although there is a result
  // The outputs are there; `log` is what to replay.
  bool restored = false;
  std::vector<vtask::storage::v1::LogChunk> log;
  int64_t saved_us = 0;
  // That all of this would be found again (KnownHit::leases). Empty if it is
  // not to be kept.
  Leases leases;
  std::vector<std::string> notes;
  // If it is to run: its explicit inputs as they are now.
  std::optional<vtask::storage::v1::Value> globs_before;
  cache::Details details;
};

// Looks `key` up and restores what it finds. Blocking: worker pool only.
Found FindResult(cache::ActionCache* cache, const cache::ActionKey& key,
                 const FindOptions& options);

}  // namespace vt::run
