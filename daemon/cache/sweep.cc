// SPDX-License-Identifier: Apache-2.0

#include "daemon/cache/sweep.h"

#include <sys/stat.h>

#include <algorithm>
#include <cstring>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/strings/str_split.h"
#include "absl/types/span.h"

#include "daemon/base/status.h"
#include "daemon/cache/records.h"
#include "daemon/cache/usage.h"
#include "daemon/fingerprint/file_digests.h"

namespace vt::cache {
namespace {

using store::Batch;
using store::Table;
using vtask::storage::v1::Output;
using vtask::storage::v1::Position;
using vtask::storage::v1::Result;
using vtask::storage::v1::Usage;
using vtask::storage::v1::WeakEntry;

// Records looked at between two words with the pace, and removed in one batch:
// about a millisecond.
constexpr uint64_t kSlice = 64;
// Half-written files that a live daemon has forgotten, and what was damaged.
constexpr absl::Duration kTmpAge = absl::Hours(1);
constexpr absl::Duration kQuarantineAge = absl::Hours(24 * 7);

// Eight bytes of a digest: enough to tell live from dead. Should two ever be
// equal, something dead stays.
using Short = uint64_t;
Short ShortOf(absl::string_view digest) {
  Short out = 0;
  std::memcpy(&out, digest.data(), std::min(digest.size(), sizeof out));
  return out;
}
// Of the key in kResults: bound results of one fingerprint differ in the root.
Short ShortOfResult(absl::string_view key) {
  return ShortOf(key) ^ (key.size() > base::Digest::kSize
                             ? ShortOf(key.substr(base::Digest::kSize)) * 31
                             : 0);
}

// Blobs that `result` names.
template <typename Visit>
void ForEachBlob(const Result& result, Visit visit) {
  for (const Output& output : result.outputs()) {
    if (!output.blob().empty()) {
      visit(output.blob());
    }
  }
  if (!result.log_blob().empty()) {
    visit(result.log_blob());
  }
}

struct Entry {
  Short key = 0;
  Short weak = 0;
  Short path_set = 0;
  uint32_t bytes = 0;
  uint32_t used_s = 0;  // fits until 2106
  uint32_t first_blob = 0;
  bool goes = false;  // by the filter
};

class Sweeper {
 public:
  Sweeper(const CacheParts& parts, const SweepRequest& request, absl::Time now)
      : parts_(parts),
        request_(request),
        now_(now),
        sweeping_(parts.in_use) {}

  absl::StatusOr<SweepReport> Run() {
    VT_RETURN_IF_ERROR(Mark());
    Choose();
    VT_RETURN_IF_ERROR(RemoveResults());
    VT_RETURN_IF_ERROR(RemoveRecords());
    VT_RETURN_IF_ERROR(RemoveBlobs());
    parts_.blobs->RemoveStray(now_ - kTmpAge, now_ - kQuarantineAge);
    return report_;
  }

 private:
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
      const char* what, Table table, uint64_t total,
      absl::FunctionRef<void(absl::string_view key, absl::string_view value)>
          visit);
  // Removes from `table` whatever `is_dead`, a slice at a time. `digest_of`
  // gives what may be in use.
  absl::Status RemoveDead(
      const char* what, Table table,
      absl::FunctionRef<bool(absl::string_view key, absl::string_view value)>
          is_dead,
      absl::FunctionRef<std::string(absl::string_view key,
                                    absl::string_view value)>
          digest_of);
  // Under the lock of the writers: what is in use by now stays.
  absl::Status RemoveSlice(
      Table table, std::vector<std::pair<std::string, std::string>>* slice);

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

// ---------------------------------------------------------------- scanning

absl::Status Sweeper::Scan(
    const char* what, Table table, uint64_t total,
    absl::FunctionRef<void(absl::string_view, absl::string_view)> visit) {
  uint64_t done = 0;
  const absl::Status scanned = parts_.database->Scan(
      table, "", [&](absl::string_view key, absl::string_view value) {
        if (!Step(what, done++, total)) {
          return false;
        }
        visit(key, value);
        return true;
      });
  VT_RETURN_IF_ERROR(stopped_);
  return scanned;
}

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

// ---------------------------------------------------------------- marking

// Whether one of its users is meant. A result that nobody is known to use may
// be anybody's.
bool Sweeper::Matches(absl::string_view value) const {
  Usage usage;
  if (!ParseRecord(value, &usage) || usage.users().empty()) {
    return true;
  }
  const CleanFilter& filter = *request_.clean;
  const std::string root_id = fingerprint::RootId(filter.root);
  for (const Usage::User& user : usage.users()) {
    const std::vector<absl::string_view> parts =
        absl::StrSplit(absl::string_view(user.position()), '\0');
    const bool is_package =
        !filter.package_path.has_value() || parts[0] == *filter.package_path;
    const bool is_task = !filter.task.has_value() ||
                         (parts.size() > 1 && parts[1] == *filter.task);
    if (user.root_id() == root_id && is_package && is_task) {
      return true;
    }
  }
  return false;
}

void Sweeper::MarkResult(absl::string_view key, absl::string_view value) {
  thread_local Result result;  // keeps its memory from record to record
  Entry entry;
  entry.key = ShortOfResult(key);
  entry.bytes = static_cast<uint32_t>(key.size() + value.size());
  entry.first_blob = static_cast<uint32_t>(blobs_of_.size());
  if (ParseRecord(value, &result)) {
    entry.weak = ShortOf(result.weak());
    entry.path_set = ShortOf(result.path_set());
    ForEachBlob(result, [this](const std::string& blob) {
      blobs_of_.push_back(ShortOf(blob));
    });
    const auto used = used_.find(entry.key);
    entry.used_s = used != used_.end()
                       ? used->second
                       : static_cast<uint32_t>(
                             std::max<int64_t>(result.stored_unix_s(), 0));
    entry.goes = request_.clean.has_value() &&
                 (used == used_.end() || matching_.contains(entry.key));
  } else {
    entry.goes = true;  // never a hit again
  }
  report_.bytes_before += entry.bytes;
  entries_.push_back(entry);
}

absl::Status Sweeper::Mark() {
  VT_RETURN_IF_ERROR(Scan(
      "reading results", Table::kUsage, 0,
      [this](absl::string_view key, absl::string_view value) {
        Usage usage;
        const Short result = ShortOfResult(key);
        used_[result] = ParseRecord(value, &usage)
                            ? static_cast<uint32_t>(usage.last_used_unix_s())
                            : 0;
        if (request_.clean.has_value() && Matches(value)) {
          matching_.insert(result);
        }
      }));
  VT_RETURN_IF_ERROR(
      Scan("reading results", Table::kResults, used_.size(),
           [this](absl::string_view key, absl::string_view value) {
             MarkResult(key, value);
           }));
  report_.results_before = entries_.size();
  VT_RETURN_IF_ERROR(
      Scan("reading path sets", Table::kPathSets, 0,
           [this](absl::string_view key, absl::string_view value) {
             const uint64_t bytes = key.size() + value.size();
             path_set_bytes_[ShortOf(key)] = bytes;
             report_.bytes_before += bytes;
           }));
  parts_.blobs->Walk([this](const base::Digest& digest, uint64_t size) {
    blob_bytes_[ShortOf(digest.AsBytes())] = size;
    report_.bytes_before += size;
    return Step("reading blobs", blob_bytes_.size(), 0);
  });
  return stopped_;
}

// ---------------------------------------------------------------- choosing

absl::Span<const Short> Sweeper::BlobsOf(size_t index) const {
  const size_t first = entries_[index].first_blob;
  const size_t end = index + 1 < entries_.size()
                         ? entries_[index + 1].first_blob
                         : blobs_of_.size();
  return absl::MakeConstSpan(blobs_of_).subspan(first, end - first);
}

void Sweeper::Keep(size_t index) {
  const Entry& entry = entries_[index];
  live_weak_.insert(entry.weak);
  live_path_sets_.insert(entry.path_set);
  live_pairs_.insert(entry.weak * 31 + entry.path_set);
  for (const Short blob : BlobsOf(index)) {
    live_blobs_.insert(blob);
  }
}

// The most recently used first: each is charged with what no later one has
// named, until the limit is reached.
void Sweeper::Choose() {
  if (request_.clean.has_value()) {
    // Whatever else the same action could find goes with it.
    absl::flat_hash_set<Short> weak;
    for (const Entry& entry : entries_) {
      if (entry.goes) {
        weak.insert(entry.weak);
      }
    }
    for (Entry& entry : entries_) {
      entry.goes = entry.goes || weak.contains(entry.weak);
    }
  }
  std::vector<size_t> order(entries_.size());
  for (size_t i = 0; i < order.size(); ++i) {
    order[i] = i;
  }
  std::stable_sort(order.begin(), order.end(), [this](size_t a, size_t b) {
    return entries_[a].used_s > entries_[b].used_s;
  });
  const bool has_limits = !request_.clean.has_value();
  const int64_t oldest =
      request_.limits.max_age == absl::InfiniteDuration()
          ? 0
          : absl::ToUnixSeconds(now_ - request_.limits.max_age);
  // Without its garbage it may be within its limit already.
  uint64_t limit = request_.limits.max_bytes;
  if (report_.bytes_before > limit) {
    limit =
        static_cast<uint64_t>(static_cast<double>(limit) * request_.low_water);
  }
  bool full = false;
  absl::flat_hash_set<Short> charged;
  for (const size_t index : order) {
    const Entry& entry = entries_[index];
    uint64_t bytes = entry.bytes;
    if (!live_path_sets_.contains(entry.path_set)) {
      const auto found = path_set_bytes_.find(entry.path_set);
      bytes += found == path_set_bytes_.end() ? 0 : found->second;
    }
    charged.clear();
    for (const Short blob : BlobsOf(index)) {
      const auto found = blob_bytes_.find(blob);
      if (found != blob_bytes_.end() && !live_blobs_.contains(blob) &&
          charged.insert(blob).second) {
        bytes += found->second;
      }
    }
    const bool too_old = has_limits && entry.used_s <= oldest;
    full = full || (has_limits && report_.bytes + bytes > limit);
    if (entry.goes || too_old || full) {
      dead_results_[entry.key] = index;
      continue;
    }
    report_.bytes += bytes;
    ++report_.results;
    Keep(index);
  }
}

// ---------------------------------------------------------------- removing

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

}  // namespace

absl::StatusOr<SweepReport> Sweep(const CacheParts& parts,
                                  const SweepRequest& request, absl::Time now) {
  return Sweeper(parts, request, now).Run();
}

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
