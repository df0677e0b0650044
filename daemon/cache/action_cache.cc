// SPDX-License-Identifier: Apache-2.0
//
// The two phases over the tables. Whoever calls in is counted, so that Close
// can wait for them and then give the database back.

#include "daemon/cache/action_cache.h"

#include <algorithm>
#include <atomic>
#include <filesystem>
#include <system_error>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"

#include "daemon/base/mutex.h"
#include "daemon/base/status.h"
#include "daemon/cache/blob_store.h"
#include "daemon/cache/durations.h"
#include "daemon/cache/log_record.h"
#include "daemon/cache/lookup.h"
#include "daemon/cache/records.h"
#include "daemon/cache/restore.h"
#include "daemon/cache/store_action.h"
#include "daemon/cache/sweep.h"
#include "daemon/cache/usage.h"
#include "daemon/cache/verify.h"
#include "daemon/fingerprint/observe.h"
#include "daemon/store/database.h"

namespace vt::cache {
namespace {

using store::Batch;
using vtask::storage::v1::LogChunk;
using vtask::storage::v1::Position;
using vtask::storage::v1::Totals;
using vtask::v1::NotStored;

// A full sweep finds what is too old, and what a crash has left.
constexpr absl::Duration kSweepInterval = absl::Hours(24);
constexpr char kTotalsKey[] = "totals";
// After a failed write. RocksDB recovers from a full disk by itself within
// about 5 s (measured on 7.8.3).
constexpr absl::Duration kProbeInterval = absl::Seconds(5);

class ActionCacheImpl final : public ActionCache {
 public:
  ActionCacheImpl(std::unique_ptr<store::Database> database, BlobStore blobs,
                  std::string notice, std::function<absl::Time()> now)
      : now_(now != nullptr ? std::move(now) : absl::Now),
        database_(std::move(database)),
        blobs_(std::move(blobs)),
        notice_(std::move(notice)),
        files_(database_.get()) {
    absl::StatusOr<Totals> totals =
        LoadRecord<Totals>(*database_, store::Table::kMeta, kTotalsKey);
    if (totals.ok()) {
      const base::MutexLock lock(&write_mutex_);
      totals_ = *std::move(totals);
    }
  }
  ~ActionCacheImpl() override { Close(); }

  LookupResult Lookup(const ActionKey& key, const Evaluation& before) override {
    return Find(key, before, /*is_use=*/true);
  }
  LookupResult Peek(const ActionKey& key) override {
    return Find(key, {}, /*is_use=*/false);
  }
  Details Describe(const ActionKey& key, const LookupResult& found) override;
  ResultComparison Compare(const base::Digest& before,
                           const base::Digest& after,
                           const std::string& root) override;
  absl::Status Restore(const ActionKey& key, const Hit& hit,
                       std::vector<std::string>* notes) override;
  absl::StatusOr<std::vector<LogChunk>> ReadLog(const Hit& hit) override;
  std::optional<NotStored> Store(const ActionKey& key,
                                 const FinishedAction& finished,
                                 Hit* stored) override;
  void RememberOutputs(const ActionKey& key,
                       const FinishedAction& finished) override;
  bool IsOwnMode(const base::Digest& weak, const std::string& path,
                 uint32_t mode) override;
  absl::Duration LastDuration(const std::string& root,
                              const std::string& position) override;
  bool IsOwnOutput(const base::Digest& weak, const std::string& path,
                   const base::Digest& digest) override;
  fingerprint::FileDigests& files() override { return files_; }
  uint64_t generation() const override { return generation_.load(); }
  HitUse UseOf(const ActionKey& key, const Hit& hit) const override {
    return {ResultKey(hit.strong, hit.result), key.root, key.position};
  }
  void NoteUse(const HitUse& use) override { pending_hits_.Note(use, now_()); }
  absl::Status Clean() override;
  absl::StatusOr<SweepReport> Sweep(const SweepRequest& request) override;
  absl::StatusOr<CacheSize> Measure(const std::string& root,
                                    const Pace& pace) override;
  absl::StatusOr<VerifyReport> Verify(const Pace& pace) override;
  bool NeedsSweep(const Limits& limits) override;
  void SaveHits() override;
  void GiveBack() override;
  std::string health() const override;
  std::string notice() const override { return notice_; }
  void Close() override;

 private:
  // Over what removes results. The number changes at the end: who has found one
  // before it went keeps it under the old number. Thread-compatible.
  class Removal {
   public:
    explicit Removal(std::atomic<uint64_t>* generation)
        : generation_(generation) {}
    Removal(const Removal&) = delete;
    Removal& operator=(const Removal&) = delete;
    ~Removal() { ++*generation_; }

   private:
    std::atomic<uint64_t>* const generation_;
  };

  // Keeps the database open while it exists. Thread-compatible.
  class Use {
   public:
    explicit Use(ActionCacheImpl* cache) : cache_(cache) {
      base::MutexLock lock(&cache_->mutex_);
      is_open_ = !cache_->closed_;
      cache_->users_ += is_open_ ? 1 : 0;
    }
    Use(const Use&) = delete;
    Use& operator=(const Use&) = delete;
    ~Use() {
      base::MutexLock lock(&cache_->mutex_);
      cache_->users_ -= is_open_ ? 1 : 0;
      cache_->changed_.SignalAll();
    }
    bool is_open() const { return is_open_; }

   private:
    ActionCacheImpl* const cache_;
    bool is_open_ = false;
  };

  fingerprint::World MakeWorld(const ActionKey& key, const base::Digest& weak);
  LookupResult Find(const ActionKey& key, const Evaluation& before,
                    bool is_use);
  CacheParts Parts() {
    return {database_.get(), &blobs_, &in_use_, &write_mutex_};
  }
  // `pace`, and the end when the cache is closed.
  Pace UntilClosed(const Pace& pace);
  bool is_closed() const {
    const base::MutexLock lock(&mutex_);
    return closed_;
  }
  void SaveHitsOpen();
  void Touch(const ActionKey& key, const base::Digest& weak,
             const Search& search, const Hit& hit);
  absl::Status Write(const ActionKey& key, const StoredAction& action,
                     uint64_t blob_bytes);
  void PutTotals(Batch* batch) ABSL_EXCLUSIVE_LOCKS_REQUIRED(write_mutex_);
  // A blob that is lost or damaged may be that of other results, too.
  absl::Status NoteLoss(absl::Status status) {
    generation_ += absl::IsDataLoss(status) ? 1 : 0;
    return status;
  }
  bool MayWrite() const;
  void NoteWrite(const absl::Status& status);

  mutable base::Mutex mutex_;
  base::CondVar changed_;
  bool closed_ ABSL_GUARDED_BY(mutex_) = false;
  int users_ ABSL_GUARDED_BY(mutex_) = 0;
  std::string problem_ ABSL_GUARDED_BY(mutex_);
  absl::Time next_probe_ ABSL_GUARDED_BY(mutex_) = absl::InfinitePast();

  const std::function<absl::Time()> now_;
  // Held over read, change and write of shared records: the one lock of ours
  // with I/O under it. Before mutex_.
  base::Mutex write_mutex_;
  Totals totals_ ABSL_GUARDED_BY(write_mutex_);
  // Held by what goes over the whole cache. Before write_mutex_.
  base::Mutex upkeep_mutex_;
  const InUse in_use_;
  PendingHits pending_hits_;
  Durations durations_;
  // Null after Close; only used under a Use.
  std::unique_ptr<store::Database> database_;
  const BlobStore blobs_;
  const std::string notice_;
  std::atomic<uint64_t> generation_{1};
  fingerprint::FileDigests files_;
};

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
    pending_hits_.Note(UseOf(key, *found.hit), now_());
    Touch(key, weak, search, *found.hit);
    durations_.Note(key.root, key.position, found.hit->result.duration_us());
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
  PutLast(*database_, key, weak, hit.strong, hit.result.duration_us(), &batch);
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
  return NoteLoss(RestoreOutputs({key.root, key.umask}, hit.result, blobs_,
                                 &files_, notes));
}

absl::StatusOr<std::vector<LogChunk>> ActionCacheImpl::ReadLog(const Hit& hit) {
  const Use use(this);
  if (!use.is_open()) {
    return absl::UnavailableError("the cache is closed");
  }
  absl::StatusOr<std::vector<LogChunk>> log = LoadLog(hit.result, blobs_);
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
               std::move(action.path_set),
               std::move(action.result),
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

absl::Status ActionCacheImpl::Clean() {
  const Use use(this);
  if (!use.is_open()) {
    return absl::UnavailableError("the cache is closed");
  }
  const base::MutexLock alone(&upkeep_mutex_);
  const Removal removal(&generation_);
  const base::MutexLock lock(&write_mutex_);
  // Records first: a blob without a record is waste, the reverse a lost hit.
  const absl::Status cleared = database_->Clear();
  NoteWrite(cleared);
  VT_RETURN_IF_ERROR(cleared);
  totals_.Clear();
  durations_.Clear();
  files_.Forget();
  const InUse::Sweeping sweeping(&in_use_);
  blobs_.Walk([&](const base::Digest& digest, uint64_t) {
    sweeping.Unless(digest, [&] { blobs_.Remove(digest); });
    return true;
  });
  blobs_.RemoveEmptyFolders();
  blobs_.RemoveStray(absl::InfinitePast(), absl::InfiniteFuture());
  return absl::OkStatus();
}

// ------------------------------------------------------------------ upkeep

Pace ActionCacheImpl::UntilClosed(const Pace& pace) {
  return [this, pace](const Progress& progress) {
    return !is_closed() && (pace == nullptr || pace(progress));
  };
}

absl::StatusOr<SweepReport> ActionCacheImpl::Sweep(
    const SweepRequest& request) {
  const Use use(this);
  if (!use.is_open()) {
    return absl::UnavailableError("the cache is closed");
  }
  const base::MutexLock alone(&upkeep_mutex_);
  const Removal removal(&generation_);
  SaveHitsOpen();
  SweepRequest mine = request;
  mine.pace = UntilClosed(request.pace);
  int64_t stored_before = 0;
  {
    const base::MutexLock lock(&write_mutex_);
    stored_before = totals_.bytes();
  }
  absl::StatusOr<SweepReport> report = cache::Sweep(Parts(), mine, now_());
  if (!report.ok()) {
    return report;
  }
  const base::MutexLock lock(&write_mutex_);
  // What was stored meanwhile comes on top.
  totals_.set_bytes(static_cast<int64_t>(report->bytes) + totals_.bytes() -
                    stored_before);
  totals_.set_results(static_cast<int64_t>(report->results));
  totals_.set_swept_unix_s(absl::ToUnixSeconds(now_()));
  Batch batch;
  PutTotals(&batch);
  VT_RETURN_IF_ERROR(database_->Write(batch));
  return report;
}

absl::StatusOr<CacheSize> ActionCacheImpl::Measure(const std::string& root,
                                                   const Pace& pace) {
  const Use use(this);
  if (!use.is_open()) {
    return absl::UnavailableError("the cache is closed");
  }
  SaveHitsOpen();
  absl::StatusOr<CacheSize> size =
      cache::Measure(Parts(), root, UntilClosed(pace));
  if (size.ok()) {
    const base::MutexLock lock(&write_mutex_);
    if (totals_.swept_unix_s() != 0) {
      size->swept = absl::FromUnixSeconds(totals_.swept_unix_s());
    }
  }
  return size;
}

absl::StatusOr<VerifyReport> ActionCacheImpl::Verify(const Pace& pace) {
  const Use use(this);
  if (!use.is_open()) {
    return absl::UnavailableError("the cache is closed");
  }
  const base::MutexLock alone(&upkeep_mutex_);
  const Removal removal(&generation_);
  absl::StatusOr<VerifyReport> report =
      cache::Verify(Parts(), UntilClosed(pace));
  if (!absl::IsDataLoss(report.status())) {
    return report;
  }
  // RocksDB has found what it wrote damaged: from here on it would refuse to
  // write, and what it still reads may have holes.
  VerifyReport rebuilt;
  rebuilt.damaged = 1;
  rebuilt.problems.push_back(
      absl::StrCat("the database is damaged: ",
                   absl::string_view(report.status().message())));
  rebuilt.database_rebuilt = true;
  const base::MutexLock lock(&write_mutex_);
  VT_RETURN_IF_ERROR(database_->Clear());
  totals_.Clear();
  durations_.Clear();
  files_.Forget();
  return rebuilt;
}

bool ActionCacheImpl::NeedsSweep(const Limits& limits) {
  const base::MutexLock lock(&write_mutex_);
  const absl::Time swept = absl::FromUnixSeconds(totals_.swept_unix_s());
  return totals_.results() > 0 &&
         (static_cast<uint64_t>(std::max<int64_t>(totals_.bytes(), 0)) >
              limits.max_bytes ||
          swept + kSweepInterval < now_());
}

void ActionCacheImpl::SaveHits() {
  const Use use(this);
  if (use.is_open()) {
    SaveHitsOpen();
    if (MayWrite()) {
      NoteWrite(files_.Save());
    }
  }
}

void ActionCacheImpl::GiveBack() {
  const Use use(this);
  if (use.is_open() && MayWrite()) {
    NoteWrite(database_->GiveBack());
  }
}

void ActionCacheImpl::SaveHitsOpen() {
  if (pending_hits_.empty() || !MayWrite()) {
    return;
  }
  const base::MutexLock lock(&write_mutex_);
  Batch batch;
  pending_hits_.TakeInto(*database_, &batch);
  if (!batch.changes.empty()) {
    NoteWrite(database_->Write(batch));
  }
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
  return std::make_unique<ActionCacheImpl>(std::move(database),
                                           std::move(blobs), notice, nullptr);
}

absl::StatusOr<std::unique_ptr<ActionCache>> ActionCache::OpenWith(
    const std::string& directory, std::unique_ptr<store::Database> database,
    std::function<absl::Time()> now) {
  VT_ASSIGN_OR_RETURN(BlobStore blobs, BlobStore::Open(directory));
  return std::make_unique<ActionCacheImpl>(
      std::move(database), std::move(blobs), "", std::move(now));
}

}  // namespace vt::cache
