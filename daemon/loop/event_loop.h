// SPDX-License-Identifier: Apache-2.0
//
// EventLoop owns one libuv loop and the thread that runs it. Everything whose
// class comment says "loop-bound" lives on that thread and needs no lock;
// other threads reach it through Post() alone.

#pragma once

#include <uv.h>

#include <deque>
#include <memory>
#include <thread>

#include "absl/base/thread_annotations.h"
#include "absl/functional/any_invocable.h"
#include "absl/status/statusor.h"

#include "daemon/base/mutex.h"

namespace vt::loop {

// Thread-safe, except that it must be destroyed off its own thread.
class EventLoop {
 public:
  using Closure = absl::AnyInvocable<void() &&>;

  // Starts the thread. Fails with RESOURCE_EXHAUSTED when libuv cannot get
  // its file descriptors.
  static absl::StatusOr<std::unique_ptr<EventLoop>> Start();

  EventLoop(const EventLoop&) = delete;
  EventLoop& operator=(const EventLoop&) = delete;

  // Runs what has been posted, then stops and joins the thread. Handles made on
  // the loop (FdWatch, Timer) must be destroyed before, on the loop.
  ~EventLoop();

  // Runs `closure` on the loop thread, after everything posted before it.
  void Post(Closure closure);

  bool IsLoopThread() const {
    return std::this_thread::get_id() == thread_.get_id();
  }

  // For the classes of this module; only on the loop thread.
  uv_loop_t* uv() { return &loop_; }

 private:
  EventLoop() = default;
  void RunPosted();

  uv_loop_t loop_ = {};
  uv_async_t wake_ = {};
  base::Mutex mutex_;
  std::deque<Closure> posted_ ABSL_GUARDED_BY(mutex_);
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  std::thread thread_;
};

}  // namespace vt::loop
