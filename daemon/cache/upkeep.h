// SPDX-License-Identifier: Apache-2.0
//
// What can be asked of the cache as a whole: how large it is, to throw away
// what is over its limits, to check it. Values only.

#pragma once

#include <cstdint>
#include <functional>
#include <limits>
#include <optional>
#include <string>
#include <vector>

#include "absl/time/time.h"

namespace vt::cache {

struct Limits {
  static constexpr uint64_t kUnlimited = std::numeric_limits<uint64_t>::max();
  // Of blob files, results and path sets. The database's own overhead and its
  // table of file identities come on top.
  uint64_t max_bytes = uint64_t{10} << 30;
  // Since a result was last stored or replayed.
  absl::Duration max_age = absl::Hours(24 * 30);
};

// How far a long work is.
struct Progress {
  const char* what = "";  // "reading results"; a literal
  uint64_t done = 0;
  uint64_t total = 0;  // 0: unknown
};
// Called every millisecond or so; may block to let others go first. False ends
// the work with CANCELLED; what was done until then stays done.
using Pace = std::function<bool(const Progress&)>;

// Which results `vt cache clean` means: those that a task like this has stored
// or replayed, and all others that the same action could find.
struct CleanFilter {
  std::string root;                         // absolute workspace root
  std::optional<std::string> package_path;  // "" for the root
  std::optional<std::string> task;
};

struct SweepRequest {
  Limits limits;
  // Once it is over the limit it shrinks to this part of it, so that the next
  // sweep is not due at once.
  double low_water = 1.0;
  // Set: what matches goes, whatever the limits.
  std::optional<CleanFilter> clean;
  Pace pace;  // may be null
};

struct SweepReport {
  uint64_t results_before = 0;
  uint64_t bytes_before = 0;
  uint64_t results_removed = 0;
  uint64_t records_removed = 0;  // of other tables
  uint64_t blobs_removed = 0;
  uint64_t bytes_removed = 0;  // of blob files, results and path sets
  uint64_t results = 0;        // that are left
  uint64_t bytes = 0;
};

struct CacheSize {
  uint64_t results = 0;
  uint64_t results_of_root = 0;  // that the asking workspace used
  uint64_t result_bytes = 0;
  uint64_t path_sets = 0;
  uint64_t path_set_bytes = 0;
  uint64_t blobs = 0;
  uint64_t blob_bytes = 0;
  uint64_t database_bytes = 0;                     // files of RocksDB
  uint64_t quarantined = 0;                        // files
  absl::Time oldest_use = absl::InfiniteFuture();  // of any result
  absl::Time swept = absl::InfinitePast();
  // What the limit is compared with.
  uint64_t bytes() const { return result_bytes + path_set_bytes + blob_bytes; }
};

struct VerifyReport {
  uint64_t blobs = 0;
  uint64_t blob_bytes = 0;
  uint64_t records = 0;
  // One line each: what, and what is wrong with it. Bounded.
  std::vector<std::string> problems;
  uint64_t damaged = 0;  // blobs and records, all moved to the quarantine
  uint64_t missing = 0;  // results that had lost a blob or a path set: removed
  bool database_rebuilt = false;
};

}  // namespace vt::cache
