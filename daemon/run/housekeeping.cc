// SPDX-License-Identifier: Apache-2.0

#include "daemon/run/housekeeping.h"

#include <malloc.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <utility>

#include "absl/time/clock.h"
#include "absl/time/time.h"

#include "daemon/history/runs.h"

namespace vt::run {
namespace {

constexpr absl::Duration kInterval = absl::Minutes(1);
// While runs are under way: a tenth of the time at most.
constexpr int64_t kWorkNs = 5'000'000;
constexpr int kRestMs = 45;
// After a sweep there is room for a while.
constexpr double kLowWater = 0.9;

// The disk serves others first (ioprio_set(2), best effort, level 7; glibc has
// no name for it). Neither SCHED_IDLE nor the idle class of the disk: this
// thread takes locks that runs want, and would keep them while it starves
// (docs/rejected.md).
void LowerPriority() {
  constexpr int kWhoProcess = 1;
  constexpr int kBestEffort = 2;
  constexpr int kClassShift = 13;
  constexpr int kLowestLevel = 7;
  ::syscall(SYS_ioprio_set, kWhoProcess, 0,
            kBestEffort << kClassShift | kLowestLevel);
}

}  // namespace

void Housekeeping::Gate::SetBusy(bool busy) {
  const base::MutexLock lock(&mutex_);
  busy_ = busy;
  changed_.SignalAll();
}

void Housekeeping::Gate::Stop() {
  const base::MutexLock lock(&mutex_);
  stopped_ = true;
  changed_.SignalAll();
}

bool Housekeeping::Gate::Pass() {
  const base::MutexLock lock(&mutex_);
  const int64_t now = absl::GetCurrentTimeNanos();
  if (busy_ && !stopped_ && now - worked_since_ns_ > kWorkNs) {
    changed_.WaitFor(&mutex_, kRestMs);
    worked_since_ns_ = absl::GetCurrentTimeNanos();
  }
  return !stopped_;
}

Housekeeping::Housekeeping(loop::EventLoop* loop, cache::ActionCache* cache,
                           watch::Watcher* watcher,
                           std::function<cache::Limits()> limits,
                           std::string runs)
    : loop_(loop),
      cache_(cache),
      watcher_(watcher),
      limits_(std::move(limits)),
      runs_(std::move(runs)),
      attended_(loop, 1),
      background_(loop, 1) {
  ShowUp();
}

Housekeeping::~Housekeeping() { gate_.Stop(); }

void Housekeeping::SetBusy(bool busy) {
  gate_.SetBusy(busy);
  worked_ = worked_ || busy;
  if (!busy) {
    Look();
  }
}

void Housekeeping::ShowUp() {
  timer_ = std::make_unique<loop::Timer>(loop_, kInterval, [this] {
    Look();
    if (std::exchange(worked_, false)) {
      // Not right after a run: the next one would wait for the allocator.
      background_.Submit([cache = cache_, watcher = watcher_] {
        if (cache != nullptr) {
          cache->GiveBack();
        }
        if (watcher != nullptr) {
          watcher->Purge();
        }
        ::malloc_trim(0);
      });
    }
    ShowUp();
  });
}

void Housekeeping::Look() {
  if (cache_ == nullptr || looking_.exchange(true)) {
    return;
  }
  // Not Run: what that posts might find us gone.
  background_.Submit([this, limits = limits_()] {
    if (!lowered_) {
      lowered_ = true;
      LowerPriority();
    }
    cache_->SaveHits();
    if (cache_->NeedsSweep(limits)) {
      cache::SweepRequest request;
      request.limits = limits;
      request.low_water = kLowWater;
      request.pace = [this](const cache::Progress&) { return gate_.Pass(); };
      // What went wrong is met again, and said, by the next store.
      static_cast<void>(cache_->Sweep(request));
      if (limits.max_age != absl::InfiniteDuration()) {
        history::PruneRuns(runs_, absl::Now() - limits.max_age);
      }
    }
    looking_ = false;
  });
}

}  // namespace vt::run
