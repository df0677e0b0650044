// SPDX-License-Identifier: Apache-2.0
//
// WorkerPool runs blocking work of the still wing (hash, look up, compress,
// restore) off the loop: values in, value out, result posted.

#pragma once

#include <deque>
#include <memory>
#include <thread>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/functional/any_invocable.h"

#include "daemon/base/mutex.h"
#include "daemon/loop/event_loop.h"

namespace vt::loop {

// Thread-safe. Destroying it finishes what has been submitted.
class WorkerPool {
 public:
  using Closure = absl::AnyInvocable<void() &&>;

  // `loop` must outlive the pool. `threads` >= 1.
  WorkerPool(EventLoop* loop, int threads);
  WorkerPool(const WorkerPool&) = delete;
  WorkerPool& operator=(const WorkerPool&) = delete;
  ~WorkerPool();

  void Submit(Closure work);

  // Runs `work` on a worker, then `then(result)` on the loop.
  template <typename Work, typename Then>
  void Run(Work work, Then then) {
    Submit([loop = loop_, work = std::move(work),
            then = std::move(then)]() mutable {
      auto result = std::move(work)();
      loop->Post([result = std::move(result), then = std::move(then)]() mutable {
        std::move(then)(std::move(result));
      });
    });
  }

 private:
  void Work();

  EventLoop* const loop_;
  base::Mutex mutex_;
  base::CondVar changed_;
  std::deque<Closure> queue_ ABSL_GUARDED_BY(mutex_);
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  std::vector<std::thread> threads_;
};

}  // namespace vt::loop
