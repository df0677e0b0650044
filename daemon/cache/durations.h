// SPDX-License-Identifier: Apache-2.0
//
// Durations: what the `positions` table knows of how long actions take, kept in
// memory, because a scheduler asks for all of them before a run.

#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "absl/container/flat_hash_map.h"

#include "daemon/base/mutex.h"

namespace vt::cache {

// Thread-safe.
class Durations {
 public:
  // 0: nothing is known.
  void Note(const std::string& root, const std::string& position,
            int64_t duration_us);
  // nullopt: never noted.
  std::optional<int64_t> Find(const std::string& root,
                              const std::string& position) const;
  void Clear();

 private:
  mutable base::Mutex mutex_;
  absl::flat_hash_map<std::string, int64_t> known_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace vt::cache
