// SPDX-License-Identifier: Apache-2.0
//
// From a finished action to the records that a store writes.

#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"

#include "daemon/base/digest.h"
#include "daemon/cache/action_cache.h"
#include "daemon/cache/blob_store.h"
#include "daemon/cache/records.h"
#include "daemon/fingerprint/observe.h"
#include "daemon/store/database.h"
#include "vtask/storage/v1/storage.pb.h"
#include "vtask/v1/run_event.pb.h"

namespace vt::cache {

// All blobs that it names are in the blob store.
struct StoredAction {
  base::Digest weak;
  base::Digest strong;
  vtask::storage::v1::PathSet path_set;
  vtask::storage::v1::Result result;
  // Under which it is stored, too: with what the action made of its own
  // leftovers in place of them. Most often unset.
  struct Alias {
    base::Digest strong;
    std::vector<vtask::storage::v1::Value> values;
  };
  std::optional<Alias> after;
  // For IsOwnOutput and IsOwnMode (decisions H4).
  std::vector<OwnOutput> own_outputs;
};

// What an action that is not stored, as it failed, left of its own. Links it
// would only replace, and are left out. Blocking.
std::vector<OwnOutput> OwnOutputsNow(const ActionKey& key,
                                     const FinishedAction& finished,
                                     const fingerprint::World& world);

// Checks that no input changed meanwhile, and puts outputs and log into
// `blobs`. Returns why it may not be stored, or nullopt and `*stored`.
// `*written`: how the blob store took it. `world` is that of the action, with
// its root. Blocking.
std::optional<vtask::v1::NotStored> PrepareStore(
    const ActionKey& key, const FinishedAction& finished,
    const fingerprint::World& world, const BlobStore& blobs, absl::Time now,
    StoredAction* stored, absl::Status* written);

// Adds all records of `stored` to `batch`. The caller keeps others from
// changing shared records until it is written.
void PutStored(const store::Database& database, const ActionKey& key,
               const StoredAction& stored, absl::Time now, store::Batch* batch);

// STORE_FAILED.
vtask::v1::NotStored StoreFailed(absl::string_view text);

}  // namespace vt::cache
