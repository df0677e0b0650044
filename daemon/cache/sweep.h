// SPDX-License-Identifier: Apache-2.0
//
// Garbage collection: which results stay (limits, age, a filter), and the
// removal of everything that none of them names. Mark and sweep over all tables
// and blobs, so that whatever a crash left is found by the next one.
//
// Order on disk: a result goes before what it names, records before blobs. A
// crash leaves orphans, never a result that has lost something.

#pragma once

#include "absl/status/statusor.h"
#include "absl/time/time.h"

#include "daemon/base/mutex.h"
#include "daemon/cache/blob_store.h"
#include "daemon/cache/in_use.h"
#include "daemon/cache/upkeep.h"
#include "daemon/store/database.h"

namespace vt::cache {

// What a sweep works on. All outlive it.
struct CacheParts {
  store::Database* database;
  const BlobStore* blobs;
  const InUse* in_use;
  // Held over read, change and write of shared records.
  base::Mutex* write_mutex;
};

// One at a time. Blocking, for long: `request.pace` is asked every few
// records. Needs 24 bytes a result, 8 for each blob it names, 20 a blob.
//
// Errors: CANCELLED; those of the database. What was removed until then stays
// removed.
absl::StatusOr<SweepReport> Sweep(const CacheParts& parts,
                                  const SweepRequest& request, absl::Time now);

// Counts. `root`: whose results are counted apart; may be "". Blocking; reads
// every record.
absl::StatusOr<CacheSize> Measure(const CacheParts& parts,
                                  const std::string& root, const Pace& pace);

}  // namespace vt::cache
