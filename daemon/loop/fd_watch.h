// SPDX-License-Identifier: Apache-2.0
//
// FdWatch: calls back when a descriptor is readable or writable. Timer: calls
// back once, later. Both are uv handles whose memory outlives the owner until
// libuv has closed them, so that the owner can be destroyed at any moment, also
// from inside its own callback.

#pragma once

#include <functional>
#include <memory>

#include "absl/time/time.h"

#include "daemon/loop/event_loop.h"

namespace vt::loop {

// Loop-bound. The descriptor is borrowed and must stay open while watched;
// destroy the watch before closing it.
class FdWatch {
 public:
  enum Events : int { kReadable = 1, kWritable = 2 };
  // `events` is a bit set of Events; it also reports errors as readiness.
  using Callback = std::function<void(int events)>;

  FdWatch(EventLoop* loop, int fd, int events, Callback callback);
  FdWatch(const FdWatch&) = delete;
  FdWatch& operator=(const FdWatch&) = delete;
  ~FdWatch();

  // Watches other events from now on; 0 pauses.
  void SetEvents(int events);

 private:
  struct State;
  State* state_;
};

// Loop-bound.
class Timer {
 public:
  // Calls `callback` once, after `delay`.
  Timer(EventLoop* loop, absl::Duration delay, std::function<void()> callback);
  Timer(const Timer&) = delete;
  Timer& operator=(const Timer&) = delete;
  // A timer that has not fired never fires.
  ~Timer();

 private:
  struct State;
  State* state_;
};

}  // namespace vt::loop
