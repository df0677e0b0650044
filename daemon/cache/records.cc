// SPDX-License-Identifier: Apache-2.0

#include "daemon/cache/records.h"

#include <algorithm>

#include "absl/strings/str_cat.h"

#include "daemon/fingerprint/file_digests.h"
#include "daemon/fingerprint/sink.h"

namespace vt::cache {
namespace {

using store::Batch;
using store::Database;
using store::Table;
using vtask::storage::v1::OwnOutputs;
using vtask::storage::v1::Position;
using vtask::storage::v1::Result;
using vtask::storage::v1::WeakEntry;

// Path sets remembered for one weak fingerprint, and outputs for one path (H4).
// Guesses: more cost lookups that miss, fewer lose hits.
constexpr int kMaxPathSets = 16;
constexpr int kMaxOwnOutputs = 16;

std::string OwnKey(const base::Digest& weak, const std::string& path) {
  return absl::StrCat(weak.AsBytes(), path);
}

void PutPosition(const Database& database, const std::string& key,
                 const Position& position, Batch* batch) {
  std::string bytes = position.SerializeAsString();
  const absl::StatusOr<std::string> old = database.Get(Table::kPositions, key);
  if (!old.ok() || *old != bytes) {
    batch->Put(Table::kPositions, key, std::move(bytes));
  }
}

}  // namespace

std::string PositionKey(const std::string& root, const std::string& position) {
  fingerprint::HashingSink sink;
  sink.Bytes("root", root);
  sink.Bytes("position", position);
  return std::string(sink.Finish().AsBytes());
}

std::string LastOfWeakKey(const base::Digest& weak) {
  fingerprint::HashingSink sink;
  sink.Bytes("weak", weak.AsBytes());
  return std::string(sink.Finish().AsBytes());
}

absl::Status LoadResult(const Database& database, const base::Digest& strong,
                        const std::string& root, Result* result) {
  // Most are bound to none.
  const absl::Status bound = LoadInto(
      database, Table::kResults,
      absl::StrCat(strong.AsBytes(), fingerprint::RootId(root)), result);
  return bound.ok() ? bound
                    : LoadInto(database, Table::kResults, strong.AsBytes(),
                               result);
}

absl::StatusOr<Result> LoadAnyResult(const Database& database,
                                     const base::Digest& strong,
                                     const std::string& root) {
  Result result;
  absl::Status loaded = LoadResult(database, strong, root, &result);
  if (loaded.ok()) {
    return result;
  }
  const auto first = [&](absl::string_view, absl::string_view value) {
    loaded = ParseRecord(value, &result) ? absl::OkStatus() : loaded;
    return false;
  };
  VT_RETURN_IF_ERROR(database.Scan(Table::kResults, strong.AsBytes(), first));
  VT_RETURN_IF_ERROR(loaded);
  return result;
}

bool IsOwnOutput(const Database& database, const base::Digest& weak,
                 const std::string& path, const base::Digest& content) {
  const absl::StatusOr<OwnOutputs> own =
      LoadRecord<OwnOutputs>(database, Table::kOwnOutputs, OwnKey(weak, path));
  return own.ok() &&
         std::find(own->content_digests().begin(), own->content_digests().end(),
                   std::string(content.AsBytes())) !=
             own->content_digests().end();
}

bool IsOwnMode(const Database& database, const base::Digest& weak,
               const std::string& path, uint32_t mode) {
  const absl::StatusOr<OwnOutputs> own =
      LoadRecord<OwnOutputs>(database, Table::kOwnOutputs, OwnKey(weak, path));
  return own.ok() && std::find(own->modes().begin(), own->modes().end(),
                               mode) != own->modes().end();
}

void PutLast(const Database& database, const ActionKey& key,
             const base::Digest& weak, const base::Digest& strong,
             int64_t duration_us, Batch* batch) {
  Position position;
  position.set_duration_us(duration_us);
  *position.mutable_description() = key.description;
  position.set_weak(std::string(weak.AsBytes()));
  position.set_strong(std::string(strong.AsBytes()));
  PutPosition(database, PositionKey(key.root, key.position), position, batch);
  PutPosition(database, LastOfWeakKey(weak), position, batch);
}

void PutWeak(const Database& database, const base::Digest& weak,
             const std::string& path_set, absl::Time now, Batch* batch) {
  WeakEntry entry;
  WeakEntry::Ref* newest = entry.add_path_sets();
  newest->set_path_set(path_set);
  newest->set_last_used_unix_s(absl::ToUnixSeconds(now));
  const absl::StatusOr<WeakEntry> old =
      LoadRecord<WeakEntry>(database, Table::kWeak, weak.AsBytes());
  if (old.ok()) {
    for (const WeakEntry::Ref& ref : old->path_sets()) {
      if (ref.path_set() != path_set && entry.path_sets_size() < kMaxPathSets) {
        *entry.add_path_sets() = ref;
      }
    }
  }
  batch->Put(Table::kWeak, weak.AsBytes(), entry.SerializeAsString());
}

void PutOwnOutputs(const Database& database, const base::Digest& weak,
                   const std::vector<OwnOutput>& outputs, Batch* batch) {
  for (const OwnOutput& output : outputs) {
    const std::string key = OwnKey(weak, output.path);
    const std::string newest(output.content.AsBytes());
    OwnOutputs own;
    own.add_content_digests(newest);
    if (output.mode.has_value()) {
      own.add_modes(*output.mode);
    }
    const absl::StatusOr<OwnOutputs> old =
        LoadRecord<OwnOutputs>(database, Table::kOwnOutputs, key);
    if (old.ok()) {
      for (const std::string& digest : old->content_digests()) {
        if (digest != newest && own.content_digests_size() < kMaxOwnOutputs) {
          own.add_content_digests(digest);
        }
      }
      for (const uint32_t mode : old->modes()) {
        if (mode != output.mode && own.modes_size() < kMaxOwnOutputs) {
          own.add_modes(mode);
        }
      }
    }
    if (!old.ok() || own.SerializeAsString() != old->SerializeAsString()) {
      batch->Put(Table::kOwnOutputs, key, own.SerializeAsString());
    }
  }
}

}  // namespace vt::cache
