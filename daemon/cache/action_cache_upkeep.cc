// SPDX-License-Identifier: Apache-2.0
//
// What goes over the whole cache: sweeping, counting, checking, forgetting.

#include <algorithm>

#include "absl/strings/str_cat.h"

#include "daemon/base/status.h"
#include "daemon/cache/action_cache_impl.h"
#include "daemon/cache/verify.h"

namespace vt::cache {
namespace {

// A full sweep finds what is too old, and what a crash has left.
constexpr absl::Duration kSweepInterval = absl::Hours(24);

}  // namespace

using store::Batch;

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
  Removal removal(&generation_);
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
  if (report->results == report->results_before) {
    removal.RemovedNone();  // the daily case: what is known stays known
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

}  // namespace vt::cache
