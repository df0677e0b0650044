// SPDX-License-Identifier: Apache-2.0
//
// Sweeper: one sweep (sweep.h), for the files of it alone: sweep.cc marks and
// chooses, sweep_remove.cc removes. What is marked is kept as eight bytes of
// each digest, for hundreds of thousands of results.

#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "absl/types/span.h"

#include "daemon/base/digest.h"
#include "daemon/base/status.h"
#include "daemon/cache/sweep.h"
#include "vtask/storage/v1/storage.pb.h"

namespace vt::cache {

// Records looked at between two words with the pace, and removed in one batch:
// about a millisecond.
inline constexpr uint64_t kSlice = 64;
// Eight bytes of a digest: enough to tell live from dead. Should two ever be
// equal, something dead stays.
using Short = uint64_t;
inline Short ShortOf(absl::string_view digest) {
  Short out = 0;
  std::memcpy(&out, digest.data(), std::min(digest.size(), sizeof out));
  return out;
}
// Of the key in kResults: bound results of one fingerprint differ in the root.
inline Short ShortOfResult(absl::string_view key) {
  return ShortOf(key) ^ (key.size() > base::Digest::kSize
                             ? ShortOf(key.substr(base::Digest::kSize)) * 31
                             : 0);
}

// Thread-compatible. Blocking.
class Sweeper {
 public:
  Sweeper(const CacheParts& parts, const SweepRequest& request, absl::Time now)
      : parts_(parts),
        request_(request),
        now_(now),
        sweeping_(parts.in_use) {}

  // Once.
  absl::StatusOr<SweepReport> Run();

 private:
  struct Entry {
    Short key = 0;
    Short weak = 0;
    Short path_set = 0;
    uint32_t bytes = 0;
    uint32_t used_s = 0;  // fits until 2106
    uint32_t first_blob = 0;
    bool goes = false;  // by the filter
  };

  // Beyond an error the scan has been told to stop.
  bool Step(const char* what, uint64_t done, uint64_t total) {
    if (request_.pace != nullptr && done % kSlice == 0 &&
        !request_.pace({what, done, total})) {
      stopped_ = absl::CancelledError("cancelled");
    }
    return stopped_.ok();
  }
  // As Database::Scan, at our pace.
  absl::Status Scan(
      const char* what, store::Table table, uint64_t total,
      absl::FunctionRef<void(absl::string_view key, absl::string_view value)>
          visit);
  // Removes from `table` whatever `is_dead`, a slice at a time. `digest_of`
  // gives what may be in use.
  absl::Status RemoveDead(
      const char* what, store::Table table,
      absl::FunctionRef<bool(absl::string_view key, absl::string_view value)>
          is_dead,
      absl::FunctionRef<std::string(absl::string_view key,
                                    absl::string_view value)>
          digest_of);
  // Under the lock of the writers: what is in use by now stays.
  absl::Status RemoveSlice(
      store::Table table,
      std::vector<std::pair<std::string, std::string>>* slice);

  absl::Status Mark();
  void MarkResult(absl::string_view key, absl::string_view value);
  bool Matches(absl::string_view key) const;
  void Choose();
  absl::Status RemoveResults();
  absl::Status RemoveRecords();
  absl::Status RemoveWeak();
  absl::Status RemoveFiles();
  absl::Status RemoveBlobs();
  absl::Span<const Short> BlobsOf(size_t index) const;
  // `index`: of the entry.
  void Keep(size_t index);

  const CacheParts parts_;
  const SweepRequest& request_;
  const absl::Time now_;
  // Announces us, before anything is read.
  const InUse::Sweeping sweeping_;
  absl::Status stopped_;
  SweepReport report_;

  // Marking.
  absl::flat_hash_map<Short, uint32_t> used_;  // of kUsage
  absl::flat_hash_set<Short> matching_;        // results, by the filter
  std::vector<Entry> entries_;
  std::vector<Short> blobs_of_;  // of entries_, in their order
  absl::flat_hash_map<Short, uint64_t> path_set_bytes_;
  absl::flat_hash_map<Short, uint64_t> blob_bytes_;

  // Chosen. What lives is kept by its short digest.
  absl::flat_hash_map<Short, size_t> dead_results_;  // index of the entry
  absl::flat_hash_set<Short> live_results_;          // by strong fingerprint
  absl::flat_hash_set<Short> live_weak_;
  absl::flat_hash_set<Short> live_path_sets_;
  absl::flat_hash_set<Short> live_pairs_;  // weak fingerprint and path set
  absl::flat_hash_set<Short> live_blobs_;
};

}  // namespace vt::cache
