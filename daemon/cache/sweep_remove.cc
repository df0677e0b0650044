// SPDX-License-Identifier: Apache-2.0
//
// Removing what does not stay, in the order of sweep.h.

#include <sys/stat.h>

#include <string>
#include <utility>
#include <vector>

#include "daemon/base/status.h"
#include "daemon/cache/records.h"
#include "daemon/cache/sweeper.h"
#include "daemon/cache/usage.h"
#include "daemon/fingerprint/file_digests.h"

namespace vt::cache {

using store::Batch;
using store::Table;
using vtask::storage::v1::Output;
using vtask::storage::v1::Position;
using vtask::storage::v1::Result;
using vtask::storage::v1::Usage;
using vtask::storage::v1::WeakEntry;

absl::Status Sweeper::RemoveSlice(
    Table table, std::vector<std::pair<std::string, std::string>>* slice) {
  const base::MutexLock lock(parts_.write_mutex);
  Batch batch;
  for (const auto& [key, digest] : *slice) {
    if (!sweeping_.Has(base::Digest::FromBytes(digest))) {
      batch.Delete(table, key);
    }
  }
  slice->clear();
  report_.records_removed += batch.changes.size();
  return batch.changes.empty() ? absl::OkStatus()
                               : parts_.database->Write(batch);
}

absl::Status Sweeper::RemoveDead(
    const char* what, Table table,
    absl::FunctionRef<bool(absl::string_view, absl::string_view)> is_dead,
    absl::FunctionRef<std::string(absl::string_view, absl::string_view)>
        digest_of) {
  std::vector<std::pair<std::string, std::string>> slice;
  absl::Status written;
  const absl::Status scanned =
      Scan(what, table, 0, [&](absl::string_view key, absl::string_view value) {
        if (!written.ok() || !is_dead(key, value)) {
          return;
        }
        slice.emplace_back(std::string(key), digest_of(key, value));
        if (slice.size() >= kSlice) {
          written = RemoveSlice(table, &slice);
        }
      });
  VT_RETURN_IF_ERROR(scanned);
  VT_RETURN_IF_ERROR(written);
  return RemoveSlice(table, &slice);
}

absl::Status Sweeper::RemoveResults() {
  std::vector<std::string> slice;
  absl::Status written;
  const auto remove = [&]() -> absl::Status {
    const base::MutexLock lock(parts_.write_mutex);
    Batch batch;
    for (const std::string& key : slice) {
      // Somebody may have found or stored it since it was chosen.
      const base::Digest strong =
          base::Digest::FromBytes(key.substr(0, base::Digest::kSize));
      if (sweeping_.Has(strong)) {
        const size_t index = dead_results_[ShortOfResult(key)];
        report_.bytes += entries_[index].bytes;
        ++report_.results;
        live_results_.insert(ShortOf(key));
        Keep(index);
        continue;
      }
      batch.Delete(Table::kResults, key);
      batch.Delete(Table::kUsage, key);
      ++report_.results_removed;
    }
    slice.clear();
    return batch.changes.empty() ? absl::OkStatus()
                                 : parts_.database->Write(batch);
  };
  VT_RETURN_IF_ERROR(Scan("removing results", Table::kResults, entries_.size(),
                          [&](absl::string_view key, absl::string_view) {
                            if (!dead_results_.contains(ShortOfResult(key))) {
                              live_results_.insert(ShortOf(key));
                              return;
                            }
                            slice.emplace_back(key);
                            if (slice.size() >= kSlice && written.ok()) {
                              written = remove();
                            }
                          }));
  VT_RETURN_IF_ERROR(written);
  return remove();
}

// Of the path sets that a weak fingerprint leads to, those without a result.
absl::Status Sweeper::RemoveWeak() {
  std::vector<std::string> changed;
  VT_RETURN_IF_ERROR(Scan(
      "removing records", Table::kWeak, 0,
      [&](absl::string_view key, absl::string_view value) {
        WeakEntry entry;
        bool is_live = ParseRecord(value, &entry) && entry.path_sets_size() > 0;
        for (const WeakEntry::Ref& ref : entry.path_sets()) {
          is_live = is_live && live_pairs_.contains(ShortOf(key) * 31 +
                                                    ShortOf(ref.path_set()));
        }
        if (!is_live) {
          changed.emplace_back(key);
        }
      }));
  for (const std::string& key : changed) {
    const base::MutexLock lock(parts_.write_mutex);
    if (sweeping_.Has(base::Digest::FromBytes(key))) {
      continue;
    }
    // Anew: a hit may have changed the order.
    const absl::StatusOr<WeakEntry> entry =
        LoadRecord<WeakEntry>(*parts_.database, Table::kWeak, key);
    WeakEntry left;
    if (entry.ok()) {
      for (const WeakEntry::Ref& ref : entry->path_sets()) {
        if (live_pairs_.contains(ShortOf(key) * 31 + ShortOf(ref.path_set()))) {
          *left.add_path_sets() = ref;
        }
      }
    }
    Batch batch;
    if (left.path_sets_size() > 0) {
      batch.Put(Table::kWeak, key, left.SerializeAsString());
    } else {
      batch.Delete(Table::kWeak, key);
      ++report_.records_removed;
    }
    VT_RETURN_IF_ERROR(parts_.database->Write(batch));
  }
  return absl::OkStatus();
}

absl::Status Sweeper::RemoveRecords() {
  constexpr char kWhat[] = "removing records";
  VT_RETURN_IF_ERROR(RemoveWeak());
  const auto own_key = [](absl::string_view key, absl::string_view) {
    return std::string(key.substr(0, base::Digest::kSize));
  };
  VT_RETURN_IF_ERROR(RemoveDead(
      kWhat, Table::kPathSets,
      [this](absl::string_view key, absl::string_view) {
        return !live_path_sets_.contains(ShortOf(key));
      },
      own_key));
  VT_RETURN_IF_ERROR(RemoveDead(
      kWhat, Table::kOwnOutputs,
      [this](absl::string_view key, absl::string_view) {
        return !live_weak_.contains(ShortOf(key));
      },
      own_key));
  VT_RETURN_IF_ERROR(RemoveDead(
      kWhat, Table::kUsage,
      [this](absl::string_view key, absl::string_view) {
        return !live_results_.contains(ShortOf(key));
      },
      own_key));
  const auto strong_of = [](absl::string_view, absl::string_view value) {
    Position position;
    return ParseRecord(value, &position) ? position.strong() : std::string();
  };
  VT_RETURN_IF_ERROR(RemoveDead(
      kWhat, Table::kPositions,
      [&](absl::string_view key, absl::string_view value) {
        return !live_results_.contains(ShortOf(strong_of(key, value)));
      },
      strong_of));
  return RemoveFiles();
}

// Identities of files that are no more.
absl::Status Sweeper::RemoveFiles() {
  constexpr size_t kRootIdSize = 16;
  return RemoveDead(
      "looking for files", Table::kFiles,
      [](absl::string_view key, absl::string_view) {
        if (key.size() <= kRootIdSize) {
          return true;
        }
        struct stat st = {};
        return ::lstat(std::string(key.substr(kRootIdSize)).c_str(), &st) !=
                   0 &&
               (errno == ENOENT || errno == ENOTDIR);
      },
      [](absl::string_view, absl::string_view) { return std::string(); });
}

absl::Status Sweeper::RemoveBlobs() {
  uint64_t done = 0;
  const uint64_t total = blob_bytes_.size();
  parts_.blobs->Walk([&](const base::Digest& digest, uint64_t) {
    if (!live_blobs_.contains(ShortOf(digest.AsBytes())) &&
        sweeping_.Unless(digest, [&] { parts_.blobs->Remove(digest); })) {
      ++report_.blobs_removed;
    }
    return Step("removing blobs", done++, total);
  });
  report_.bytes_removed =
      report_.bytes_before - std::min(report_.bytes, report_.bytes_before);
  return stopped_;
}

}  // namespace vt::cache
