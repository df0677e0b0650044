// SPDX-License-Identifier: Apache-2.0
//
// The two phases over the tables. Whoever calls in is counted, so that Close
// can wait for them and then give the database back.

#include "daemon/cache/action_cache.h"

#include <filesystem>
#include <system_error>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"

#include "daemon/base/mutex.h"
#include "daemon/base/status.h"
#include "daemon/cache/blob_store.h"
#include "daemon/cache/log_record.h"
#include "daemon/cache/lookup.h"
#include "daemon/cache/records.h"
#include "daemon/cache/restore.h"
#include "daemon/cache/store_action.h"
#include "daemon/fingerprint/observe.h"
#include "daemon/store/database.h"

namespace vt::cache {
namespace {

using store::Batch;
using vtask::storage::v1::LogChunk;
using vtask::v1::NotStored;

// The order of path sets is written when it changes, their age this often.
constexpr int64_t kTouchSeconds = 3600;
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
        files_(database_.get()) {}
  ~ActionCacheImpl() override { Close(); }

  LookupResult Lookup(const ActionKey& key) override;
  Details Describe(const ActionKey& key, const LookupResult& found) override;
  absl::Status Restore(const ActionKey& key, const Hit& hit,
                       std::vector<std::string>* notes) override;
  absl::StatusOr<std::vector<LogChunk>> ReadLog(const Hit& hit) override;
  std::optional<NotStored> Store(const ActionKey& key,
                                 const FinishedAction& finished,
                                 Hit* stored) override;
  bool IsOwnOutput(const base::Digest& weak, const std::string& path,
                   const base::Digest& digest) override;
  fingerprint::FileDigests& files() override { return files_; }
  absl::Status Clean() override;
  std::string health() const override;
  std::string notice() const override { return notice_; }
  void Close() override;

 private:
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
  void Touch(const ActionKey& key, const base::Digest& weak,
             const Search& search, const Hit& hit);
  absl::Status Write(const ActionKey& key, const StoredAction& action);
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
  // Null after Close; only used under a Use.
  std::unique_ptr<store::Database> database_;
  const BlobStore blobs_;
  const std::string notice_;
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

bool ActionCacheImpl::IsOwnOutput(const base::Digest& weak,
                                  const std::string& path,
                                  const base::Digest& digest) {
  const Use use(this);
  return use.is_open() && cache::IsOwnOutput(*database_, weak, path, digest);
}

LookupResult ActionCacheImpl::Lookup(const ActionKey& key) {
  const Use use(this);
  if (!use.is_open()) {
    LookupResult closed;
    closed.miss.first_run = true;
    closed.miss.note = "the cache is closed";
    return closed;
  }
  const base::Digest weak = fingerprint::WeakFingerprint(key.description);
  Search search(*database_, key, weak, MakeWorld(key, weak));
  LookupResult found = search.Find();
  if (found.hit.has_value()) {
    Touch(key, weak, search, *found.hit);
  }
  return found;
}

void ActionCacheImpl::Touch(const ActionKey& key, const base::Digest& weak,
                            const Search& search, const Hit& hit) {
  const base::MutexLock lock(&write_mutex_);
  Batch batch;
  const auto& ref = search.hit_ref();
  if (search.hit_index() != 0 ||
      ref.last_used_unix_s() + kTouchSeconds < absl::ToUnixSeconds(now_())) {
    PutWeak(*database_, weak, ref.path_set(), now_(), &batch);
  }
  PutLast(*database_, key, weak, hit.strong, &batch);
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
  return Search(*database_, key, weak, MakeWorld(key, weak)).Describe(found);
}

absl::Status ActionCacheImpl::Restore(const ActionKey& key, const Hit& hit,
                                      std::vector<std::string>* notes) {
  const Use use(this);
  if (!use.is_open()) {
    return absl::UnavailableError("the cache is closed");
  }
  return RestoreOutputs({key.root, key.umask}, hit.result, blobs_, &files_,
                        notes);
}

absl::StatusOr<std::vector<LogChunk>> ActionCacheImpl::ReadLog(const Hit& hit) {
  const Use use(this);
  if (!use.is_open()) {
    return absl::UnavailableError("the cache is closed");
  }
  return LoadLog(hit.result, blobs_);
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
  StoredAction action;
  absl::Status written;
  if (std::optional<NotStored> why =
          PrepareStore(key, finished, MakeWorld(key, weak), blobs_, now_(),
                       &action, &written)) {
    if (!written.ok()) {
      NoteWrite(written);
    }
    return why;
  }
  // The blobs are all there: from here on it is one batch.
  written = Write(key, action);
  NoteWrite(written);
  if (!written.ok()) {
    return StoreFailed(written.message());
  }
  if (stored != nullptr) {
    *stored = {action.strong, std::move(action.path_set),
               std::move(action.result)};
  }
  // Lost with the daemon at worst: then they are hashed again.
  files_.Save().IgnoreError();
  return std::nullopt;
}

absl::Status ActionCacheImpl::Write(const ActionKey& key,
                                    const StoredAction& action) {
  const base::MutexLock lock(&write_mutex_);
  Batch batch;
  PutStored(*database_, key, action, now_(), &batch);
  return database_->Write(batch);
}

absl::Status ActionCacheImpl::Clean() {
  const Use use(this);
  if (!use.is_open()) {
    return absl::UnavailableError("the cache is closed");
  }
  const base::MutexLock lock(&write_mutex_);
  // Records first: a blob without a record is waste, the reverse a lost hit.
  const absl::Status cleared = database_->Clear();
  NoteWrite(cleared);
  VT_RETURN_IF_ERROR(cleared);
  files_.Forget();
  return blobs_.Clear();
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
                            "): if this stays, run `vt cache clean`");
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
