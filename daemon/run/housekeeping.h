// SPDX-License-Identifier: Apache-2.0
//
// Housekeeping: keeps the cache and the history within their limits, in the
// background: on a thread whose disk accesses come last, and that rests most of
// the time while runs are under way.

#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <utility>

#include "daemon/base/mutex.h"
#include "daemon/cache/action_cache.h"
#include "daemon/loop/event_loop.h"
#include "daemon/loop/fd_watch.h"
#include "daemon/loop/worker_pool.h"
#include "daemon/watch/watcher.h"

namespace vt::run {

// Loop-bound.
class Housekeeping {
 public:
  // `cache` and `watcher` may be null. `limits` is asked on the loop, `runs` is
  // the directory of history/runs.h. All outlive this.
  Housekeeping(loop::EventLoop* loop, cache::ActionCache* cache,
               watch::Watcher* watcher, std::function<cache::Limits()> limits,
               std::string runs);
  Housekeeping(const Housekeeping&) = delete;
  Housekeeping& operator=(const Housekeeping&) = delete;
  // Ends a sweep under way, soon.
  ~Housekeeping();

  cache::Limits limits() const { return limits_(); }
  // Whether runs are under way. When the last one has ended it looks whether
  // there is something to do; so it does every minute. Then, too, what runs
  // needed of memory goes back to the system.
  void SetBusy(bool busy);

  // Work on the whole cache that somebody waits for: with ordinary priority,
  // and one at a time.
  template <typename Work, typename Then>
  void Run(Work work, Then then) {
    attended_.Run(std::move(work), std::move(then));
  }

 private:
  // What the background thread looks at. Thread-safe.
  class Gate {
   public:
    void SetBusy(bool busy);
    void Stop();
    // Rests if runs are under way. False: stop.
    bool Pass();

   private:
    base::Mutex mutex_;
    base::CondVar changed_;
    bool busy_ ABSL_GUARDED_BY(mutex_) = false;
    bool stopped_ ABSL_GUARDED_BY(mutex_) = false;
    int64_t worked_since_ns_ ABSL_GUARDED_BY(mutex_) = 0;
  };

  void Look();
  void ShowUp();

  loop::EventLoop* const loop_;
  cache::ActionCache* const cache_;
  watch::Watcher* const watcher_;
  const std::function<cache::Limits()> limits_;
  const std::string runs_;
  Gate gate_;
  std::atomic<bool> looking_ = false;
  bool worked_ = false;   // since memory was given back
  bool lowered_ = false;  // on the background thread alone
  std::unique_ptr<loop::Timer> timer_;
  // Last: gone, with what runs on them, before the rest.
  loop::WorkerPool attended_;
  loop::WorkerPool background_;
};

}  // namespace vt::run
