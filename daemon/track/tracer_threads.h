// SPDX-License-Identifier: Apache-2.0
//
// TracerThreads: a thread for as long as an action is traced. Making one, with
// its stack, and unmaking it costs 0.1 ms of the processor (measured, Linux
// 6.18), so that some are kept for the actions that come next.

#pragma once

#include <deque>
#include <functional>

#include "absl/status/status.h"
#include "absl/time/time.h"

#include "daemon/base/mutex.h"

namespace vt::track {

// Thread-safe.
class TracerThreads {
 public:
  // For the process; never destroyed, for its threads are never joined.
  static TracerThreads& Instance();

  // `keep` threads at most wait for work, each for `rest` at most. Must outlive
  // them.
  TracerThreads(int keep, absl::Duration rest);
  TracerThreads(const TracerThreads&) = delete;
  TracerThreads& operator=(const TracerThreads&) = delete;
  // Waits for the threads to end: for tests.
  ~TracerThreads();

  // Runs `work` at once, on a thread that no other work has meanwhile and that
  // takes no signals. What `work` holds is let go of when it has returned.
  // RESOURCE_EXHAUSTED: there is no thread for it.
  absl::Status Start(std::function<void()> work);

 private:
  static void* Run(void* self);
  absl::Status Spawn() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  int IdleThreads() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return threads_ - busy_;
  }
  // The next work, or none when the thread is to end.
  std::function<void()> Next();
  void Done();
  // Waits for work while this thread is worth keeping.
  void Rest() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const int keep_;
  const absl::Duration rest_;
  base::Mutex mutex_;
  base::CondVar given_;
  base::CondVar ended_;
  std::deque<std::function<void()>> works_ ABSL_GUARDED_BY(mutex_);
  int threads_ ABSL_GUARDED_BY(mutex_) = 0;
  // Of these, the ones that are at work. Each of the others takes a work before
  // it ends: there are at least as many as works.
  int busy_ ABSL_GUARDED_BY(mutex_) = 0;
  bool ends_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace vt::track
