// SPDX-License-Identifier: Apache-2.0
//
// RunLog: writes down what runs have done (history/runs.h) without anybody
// waiting for it: neither the caller, who has its exit code, nor the loop.

#pragma once

#include <cstdint>
#include <string>

#include "absl/functional/any_invocable.h"

#include "daemon/base/mutex.h"
#include "daemon/loop/event_loop.h"
#include "daemon/loop/worker_pool.h"
#include "vtask/v1/run_event.pb.h"

namespace vt::run {

// Thread-safe. Destroying it writes what has been given.
class RunLog {
 public:
  // `directory` is that of history/runs.h. `loop` must outlive it.
  RunLog(loop::EventLoop* loop, std::string directory);
  RunLog(const RunLog&) = delete;
  RunLog& operator=(const RunLog&) = delete;
  ~RunLog() = default;

  // Keeps what `make` returns, which is called on another thread. In the order
  // of the calls. That it cannot be kept is not worth a word.
  void Keep(absl::AnyInvocable<vtask::v1::RunRecord() &&> make);

  // The directory, for whoever reads: once all is kept that was given before.
  // Blocking.
  const std::string& Settled() const;

 private:
  const std::string directory_;
  mutable base::Mutex mutex_;
  mutable base::CondVar changed_;
  uint64_t given_ ABSL_GUARDED_BY(mutex_) = 0;
  uint64_t kept_ ABSL_GUARDED_BY(mutex_) = 0;
  loop::WorkerPool writer_;  // last: it ends first
};

}  // namespace vt::run
