// SPDX-License-Identifier: Apache-2.0
//
// When and by whom results were last used: what garbage collection goes by, and
// what `vt cache clean` chooses with. Hits are noted in memory and written in
// batches, never while somebody waits for a hit.

#pragma once

#include <map>
#include <string>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"

#include "daemon/base/mutex.h"
#include "daemon/cache/action_cache.h"
#include "daemon/store/database.h"
#include "vtask/storage/v1/storage.pb.h"

namespace vt::cache {

// The key of `result` in kResults and kUsage.
std::string ResultKey(const base::Digest& strong,
                      const vtask::storage::v1::Result& result);

// Makes `key` the first of the users of `usage`.
void AddUser(const std::string& root, const std::string& position,
             vtask::storage::v1::Usage* usage);

// For a result that is stored now: `record` are its bytes. The caller keeps
// others from writing the same before the batch is.
void PutUsage(const store::Database& database, absl::string_view result_key,
              absl::string_view record, const ActionKey& key, absl::Time now,
              store::Batch* batch);

// Hits that are not written yet. Thread-safe.
class PendingHits {
 public:
  void Note(const HitUse& use, absl::Time now);
  bool empty() const;
  // Moves them into `batch`. The caller keeps others from writing usage before
  // the batch is; it is lost if that fails.
  void TakeInto(const store::Database& database, store::Batch* batch);

 private:
  struct Hit {
    absl::Time when;
    std::string root;
    std::string position;
  };
  mutable base::Mutex mutex_;
  // By result; the last user counts.
  std::map<std::string, Hit> hits_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace vt::cache
