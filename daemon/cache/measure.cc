// SPDX-License-Identifier: Apache-2.0
//
// What `vt cache status` counts.

#include <algorithm>
#include <string>

#include "absl/container/flat_hash_map.h"

#include "daemon/base/status.h"
#include "daemon/cache/records.h"
#include "daemon/cache/sweep.h"
#include "daemon/cache/sweeper.h"
#include "daemon/cache/usage.h"
#include "daemon/fingerprint/file_digests.h"

namespace vt::cache {

using store::Table;
using vtask::storage::v1::Result;
using vtask::storage::v1::Usage;

absl::StatusOr<CacheSize> Measure(const CacheParts& parts,
                                  const std::string& root, const Pace& pace) {
  CacheSize size;
  bool cancelled = false;
  const auto step = [&](const char* what, uint64_t done) {
    cancelled = cancelled || (pace != nullptr && done % kSlice == 0 &&
                              !pace({what, done, 0}));
    return !cancelled;
  };
  const std::string root_id = fingerprint::RootId(root);
  absl::flat_hash_map<Short, int64_t> used;
  VT_RETURN_IF_ERROR(parts.database->Scan(
      Table::kUsage, "", [&](absl::string_view key, absl::string_view value) {
        Usage usage;
        if (ParseRecord(value, &usage)) {
          used[ShortOfResult(key)] = usage.last_used_unix_s();
          size.results_of_root += std::any_of(
              usage.users().begin(), usage.users().end(),
              [&](const auto& user) { return user.root_id() == root_id; });
        }
        return step("reading results", used.size());
      }));
  VT_RETURN_IF_ERROR(parts.database->Scan(
      Table::kResults, "", [&](absl::string_view key, absl::string_view value) {
        ++size.results;
        size.result_bytes += key.size() + value.size();
        int64_t when = 0;
        if (const auto found = used.find(ShortOfResult(key));
            found != used.end()) {
          when = found->second;
        } else {
          Result result;
          ParseRecord(value, &result);
          when = result.stored_unix_s();
        }
        size.oldest_use =
            std::min(size.oldest_use, absl::FromUnixSeconds(when));
        return step("reading results", size.results);
      }));
  VT_RETURN_IF_ERROR(
      parts.database->Scan(Table::kPathSets, "",
                           [&](absl::string_view key, absl::string_view value) {
                             ++size.path_sets;
                             size.path_set_bytes += key.size() + value.size();
                             return step("reading path sets", size.path_sets);
                           }));
  parts.blobs->Walk([&](const base::Digest&, uint64_t bytes) {
    ++size.blobs;
    size.blob_bytes += bytes;
    return step("reading blobs", size.blobs);
  });
  size.quarantined = parts.blobs->CountQuarantined();
  size.database_bytes = parts.database->DiskBytes();
  return cancelled
             ? absl::StatusOr<CacheSize>(absl::CancelledError("cancelled"))
             : size;
}

}  // namespace vt::cache
