// SPDX-License-Identifier: Apache-2.0
//
// What there is, and what of it stays.

#include "daemon/cache/sweep.h"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_split.h"

#include "daemon/base/status.h"
#include "daemon/cache/records.h"
#include "daemon/cache/sweeper.h"
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

// Half-written files that a live daemon has forgotten, and what was damaged.
constexpr absl::Duration kTmpAge = absl::Hours(1);
constexpr absl::Duration kQuarantineAge = absl::Hours(24 * 7);

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

}  // namespace

absl::StatusOr<SweepReport> Sweeper::Run() {
  VT_RETURN_IF_ERROR(Mark());
  Choose();
  VT_RETURN_IF_ERROR(RemoveResults());
  VT_RETURN_IF_ERROR(RemoveRecords());
  VT_RETURN_IF_ERROR(RemoveBlobs());
  parts_.blobs->RemoveStray(now_ - kTmpAge, now_ - kQuarantineAge);
  return report_;
}

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

absl::StatusOr<SweepReport> Sweep(const CacheParts& parts,
                                  const SweepRequest& request, absl::Time now) {
  return Sweeper(parts, request, now).Run();
}

}  // namespace vt::cache
