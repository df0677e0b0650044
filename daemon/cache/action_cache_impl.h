// SPDX-License-Identifier: Apache-2.0
//
// The one ActionCache there is. For the files of action_cache alone:
//
//   action_cache.cc         lookup, restore and store; opening and closing
//   action_cache_upkeep.cc  what goes over the whole cache

#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"

#include "daemon/base/digest.h"
#include "daemon/base/mutex.h"
#include "daemon/cache/action_cache.h"
#include "daemon/cache/blob_store.h"
#include "daemon/cache/durations.h"
#include "daemon/cache/in_use.h"
#include "daemon/cache/lookup.h"
#include "daemon/cache/records.h"
#include "daemon/cache/staging_record.h"
#include "daemon/cache/store_action.h"
#include "daemon/cache/sweep.h"
#include "daemon/cache/usage.h"
#include "daemon/fingerprint/file_digests.h"
#include "daemon/fingerprint/observe.h"
#include "daemon/store/database.h"
#include "vtask/storage/v1/storage.pb.h"
#include "vtask/v1/run_event.pb.h"

namespace vt::cache {

// Whoever calls in is counted, so that Close can wait for them and then give
// the database back. Thread-safe. Blocking.
class ActionCacheImpl final : public ActionCache {
 public:
  // `now`: null: the real clock.
  ActionCacheImpl(const std::string& directory,
                  std::unique_ptr<store::Database> database, BlobStore blobs,
                  std::string notice, std::function<absl::Time()> now);
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
  absl::StatusOr<std::vector<vtask::storage::v1::LogChunk>> ReadLog(
      const Hit& hit) override;
  std::optional<vtask::v1::NotStored> Store(const ActionKey& key,
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
  HitUse UseOf(const std::string& root, const std::string& position,
               const Hit& hit) const override {
    return {ResultKey(hit.strong, *hit.result), root, position};
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
    ~Removal() {
      if (generation_ != nullptr) {
        ++*generation_;
      }
    }
    // It has turned out to remove none.
    void RemovedNone() { generation_ = nullptr; }

   private:
    std::atomic<uint64_t>* generation_;
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
  void PutTotals(store::Batch* batch)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(write_mutex_);
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
  vtask::storage::v1::Totals totals_ ABSL_GUARDED_BY(write_mutex_);
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
  StagingRecord staged_;
};

}  // namespace vt::cache
