// SPDX-License-Identifier: Apache-2.0
//
// The two phases over the tables.

#include "daemon/cache/action_cache.h"

#include <filesystem>
#include <system_error>

#include "absl/strings/str_cat.h"

#include "daemon/base/status.h"
#include "daemon/cache/action_cache_impl.h"
#include "daemon/cache/log_record.h"
#include "daemon/cache/restore.h"

namespace vt::cache {

using store::Batch;
using vtask::storage::v1::LogChunk;
using vtask::storage::v1::Position;
using vtask::storage::v1::Totals;
using vtask::v1::NotStored;

namespace {

constexpr char kTotalsKey[] = "totals";
// After a failed write. RocksDB recovers from a full disk by itself within
// about 5 s (measured on 7.8.3).
constexpr absl::Duration kProbeInterval = absl::Seconds(5);

}  // namespace

ActionCacheImpl::ActionCacheImpl(const std::string& directory,
                                 std::unique_ptr<store::Database> database,
                                 BlobStore blobs, std::string notice,
                                 std::function<absl::Time()> now)
    : now_(now != nullptr ? std::move(now) : absl::Now),
      database_(std::move(database)),
      blobs_(std::move(blobs)),
      notice_(std::move(notice)),
      files_(database_.get()),
      staged_(directory) {
  absl::StatusOr<Totals> totals =
      LoadRecord<Totals>(*database_, store::Table::kMeta, kTotalsKey);
  if (totals.ok()) {
    const base::MutexLock lock(&write_mutex_);
    totals_ = *std::move(totals);
  }
}

fingerprint::World ActionCacheImpl::MakeWorld(const ActionKey& key,
                                              const base::Digest& weak) {
  fingerprint::World world;
  world.root = key.root;
  world.env = key.env.get();
  world.files = &files_;
  world.umask = key.umask;
  world.is_own_output = [this, weak](const std::string& path,
                                     const base::Digest& digest) {
    return cache::IsOwnOutput(*database_, weak, path, digest);
  };
  return world;
}

absl::Duration ActionCacheImpl::LastDuration(const std::string& root,
                                             const std::string& position) {
  if (const std::optional<int64_t> known = durations_.Find(root, position)) {
    return absl::Microseconds(*known);
  }
  const Use use(this);
  if (!use.is_open()) {
    return absl::ZeroDuration();
  }
  const absl::StatusOr<Position> last = LoadRecord<Position>(
      *database_, store::Table::kPositions, PositionKey(root, position));
  const int64_t duration_us = last.ok() ? last->duration_us() : 0;
  durations_.Note(root, position, duration_us);
  return absl::Microseconds(duration_us);
}

bool ActionCacheImpl::IsOwnOutput(const base::Digest& weak,
                                  const std::string& path,
                                  const base::Digest& digest) {
  const Use use(this);
  return use.is_open() && cache::IsOwnOutput(*database_, weak, path, digest);
}

bool ActionCacheImpl::IsOwnMode(const base::Digest& weak,
                                const std::string& path, uint32_t mode) {
  const Use use(this);
  return use.is_open() && cache::IsOwnMode(*database_, weak, path, mode);
}

LookupResult ActionCacheImpl::Find(const ActionKey& key,
                                   const Evaluation& before, bool is_use) {
  const Use use(this);
  if (!use.is_open()) {
    LookupResult closed;
    closed.miss.first_run = true;
    closed.miss.note = "the cache is closed";
    return closed;
  }
  const base::Digest weak = fingerprint::WeakFingerprint(key.description);
  Search search(*database_, in_use_, key, weak, MakeWorld(key, weak));
  LookupResult found = search.Find(before);
  if (found.hit.has_value() && is_use) {
    pending_hits_.Note(UseOf(key.root, key.position, *found.hit), now_());
    Touch(key, weak, search, *found.hit);
    durations_.Note(key.root, key.position, found.hit->result->duration_us());
  }
  return found;
}

void ActionCacheImpl::Touch(const ActionKey& key, const base::Digest& weak,
                            const Search& search, const Hit& hit) {
  const base::MutexLock lock(&write_mutex_);
  Batch batch;
  if (search.hit_index() != 0) {
    PutWeak(*database_, weak, search.hit_ref().path_set(), now_(), &batch);
  }
  PutLast(*database_, key, weak, hit.strong, hit.result->duration_us(), &batch);
  if (!batch.changes.empty() && MayWrite()) {
    NoteWrite(database_->Write(batch));
  }
}

Details ActionCacheImpl::Describe(const ActionKey& key,
                                  const LookupResult& found) {
  const Use use(this);
  if (!use.is_open()) {
    return {};
  }
  const base::Digest weak = fingerprint::WeakFingerprint(key.description);
  return Search(*database_, in_use_, key, weak, MakeWorld(key, weak))
      .Describe(found);
}

ResultComparison ActionCacheImpl::Compare(const base::Digest& before,
                                          const base::Digest& after,
                                          const std::string& root) {
  const Use use(this);
  if (!use.is_open()) {
    return {{}, "the cache is closed"};
  }
  return CompareResults(*database_, before, after, root);
}

absl::Status ActionCacheImpl::Restore(const ActionKey& key, const Hit& hit,
                                      std::vector<std::string>* notes) {
  const Use use(this);
  if (!use.is_open()) {
    return absl::UnavailableError("the cache is closed");
  }
  return NoteLoss(RestoreOutputs({key.root, key.umask}, *hit.result, blobs_,
                                 &files_, &staged_, notes));
}

absl::StatusOr<std::vector<LogChunk>> ActionCacheImpl::ReadLog(const Hit& hit) {
  const Use use(this);
  if (!use.is_open()) {
    return absl::UnavailableError("the cache is closed");
  }
  absl::StatusOr<std::vector<LogChunk>> log = LoadLog(*hit.result, blobs_);
  NoteLoss(log.status()).IgnoreError();
  return log;
}

std::optional<NotStored> ActionCacheImpl::Store(const ActionKey& key,
                                                const FinishedAction& finished,
                                                Hit* stored) {
  const Use use(this);
  if (!use.is_open()) {
    return StoreFailed("the cache is closed");
  }
  if (!MayWrite()) {
    return StoreFailed(health());
  }
  const base::Digest weak = fingerprint::WeakFingerprint(key.description);
  InUse::Pins pins(&in_use_);
  pins.Add(weak);
  StoredAction action;
  absl::Status written;
  if (std::optional<NotStored> why =
          PrepareStore(key, finished, MakeWorld(key, weak), blobs_.For(&pins),
                       now_(), &action, &written)) {
    if (!written.ok()) {
      NoteWrite(written);
    }
    return why;
  }
  pins.Add(base::Digest::FromBytes(action.result.path_set()));
  if (action.after.has_value()) {
    pins.Add(action.after->strong);
  }
  // The blobs are all there: from here on it is one batch.
  std::shared_ptr<const Lease> lease = in_use_.LeaseResult(action.strong);
  written = Write(key, action, pins.written());
  NoteWrite(written);
  if (!written.ok()) {
    return StoreFailed(written.message());
  }
  durations_.Note(key.root, key.position, action.result.duration_us());
  if (stored != nullptr) {
    *stored = {action.strong,
               OnArena(std::move(action.path_set)),
               OnArena(std::move(action.result)),
               std::move(lease),
               {}};
  }
  return std::nullopt;
}

void ActionCacheImpl::RememberOutputs(const ActionKey& key,
                                      const FinishedAction& finished) {
  const Use use(this);
  if (!use.is_open() || !MayWrite()) {
    return;
  }
  const base::Digest weak = fingerprint::WeakFingerprint(key.description);
  InUse::Pins pins(&in_use_);
  pins.Add(weak);
  const std::vector<OwnOutput> own =
      OwnOutputsNow(key, finished, MakeWorld(key, weak));
  const base::MutexLock lock(&write_mutex_);
  Batch batch;
  PutOwnOutputs(*database_, weak, own, &batch);
  if (!batch.changes.empty()) {
    NoteWrite(database_->Write(batch));
  }
}

absl::Status ActionCacheImpl::Write(const ActionKey& key,
                                    const StoredAction& action,
                                    uint64_t blob_bytes) {
  const base::MutexLock lock(&write_mutex_);
  Batch batch;
  PutStored(*database_, key, action, now_(), &batch);
  uint64_t bytes = blob_bytes;
  bool replaces = false;
  for (const Batch::Change& change : batch.changes) {
    bytes += change.key.size() + change.value.size();
    replaces = replaces || (change.table == store::Table::kResults &&
                            database_->Get(change.table, change.key).ok());
  }
  std::optional<Removal> removal;
  if (replaces) {
    removal.emplace(&generation_);
  }
  totals_.set_bytes(totals_.bytes() + static_cast<int64_t>(bytes));
  totals_.set_results(totals_.results() + 1);
  PutTotals(&batch);
  return database_->Write(batch);
}

void ActionCacheImpl::PutTotals(Batch* batch) {
  batch->Put(store::Table::kMeta, kTotalsKey, totals_.SerializeAsString());
}

bool ActionCacheImpl::MayWrite() const {
  base::MutexLock lock(&mutex_);
  return problem_.empty() || now_() >= next_probe_;
}

void ActionCacheImpl::NoteWrite(const absl::Status& status) {
  base::MutexLock lock(&mutex_);
  if (status.ok()) {
    problem_.clear();
    return;
  }
  next_probe_ = now_() + kProbeInterval;
  if (absl::IsResourceExhausted(status)) {
    problem_ = absl::StrCat("the cache cannot be written (",
                            absl::string_view(status.message()),
                            "): free space on its disk");
  } else if (absl::IsInternal(status) || absl::IsDataLoss(status)) {
    problem_ = absl::StrCat("the cache cannot be written (",
                            absl::string_view(status.message()),
                            "): if this stays, run `vt cache clean --all`");
  }
  // Anything else is about one file of the workspace, not about the cache.
}

std::string ActionCacheImpl::health() const {
  base::MutexLock lock(&mutex_);
  return problem_;
}

void ActionCacheImpl::Close() {
  {
    base::MutexLock lock(&mutex_);
    if (closed_) {
      return;
    }
    closed_ = true;
    while (users_ > 0) {
      changed_.Wait(&mutex_);
    }
  }
  // Beyond this point nobody but us has the database.
  SaveHitsOpen();
  files_.Save().IgnoreError();
  database_->Flush().IgnoreError();
  files_.Detach();
  database_.reset();
}

namespace {

absl::StatusOr<std::unique_ptr<store::Database>> OpenDatabase(
    const std::string& directory, std::string* notice) {
  absl::StatusOr<std::unique_ptr<store::Database>> database =
      store::Database::Open(directory);
  if (absl::IsDataLoss(database.status()) ||
      absl::IsInternal(database.status())) {
    // A cache may start again; a run must not fail for it (spec X-9).
    *notice = absl::StrCat("the cache was emptied: it was damaged (",
                           absl::string_view(database.status().message()), ")");
    std::error_code error;
    std::filesystem::remove_all(directory, error);
    database = store::Database::Open(directory);
  }
  return database;
}

}  // namespace

absl::StatusOr<std::unique_ptr<ActionCache>> ActionCache::Open(
    const std::string& directory) {
  std::string notice;
  VT_ASSIGN_OR_RETURN(std::unique_ptr<store::Database> database,
                      OpenDatabase(absl::StrCat(directory, "/db"), &notice));
  if (notice.empty()) {
    notice = database->notice();
  }
  VT_ASSIGN_OR_RETURN(BlobStore blobs, BlobStore::Open(directory));
  if (!notice.empty()) {
    // No record is left that names one.
    VT_RETURN_IF_ERROR(blobs.Clear());
  }
  return std::make_unique<ActionCacheImpl>(directory, std::move(database),
                                           std::move(blobs), notice, nullptr);
}

absl::StatusOr<std::unique_ptr<ActionCache>> ActionCache::OpenWith(
    const std::string& directory, std::unique_ptr<store::Database> database,
    std::function<absl::Time()> now) {
  VT_ASSIGN_OR_RETURN(BlobStore blobs, BlobStore::Open(directory));
  return std::make_unique<ActionCacheImpl>(
      directory, std::move(database), std::move(blobs), "", std::move(now));
}

}  // namespace vt::cache
