// SPDX-License-Identifier: Apache-2.0

#include "daemon/loop/fd_watch.h"

#include <utility>

namespace vt::loop {

struct FdWatch::State {
  uv_poll_t handle = {};
  Callback callback;
  // The watch is gone; the handle waits for its close callback.
  bool closed = false;
};

FdWatch::FdWatch(EventLoop* loop, int fd, int events, Callback callback)
    : state_(new State) {
  state_->callback = std::move(callback);
  uv_poll_init(loop->uv(), &state_->handle, fd);
  state_->handle.data = state_;
  SetEvents(events);
}

FdWatch::~FdWatch() {
  state_->closed = true;
  uv_close(reinterpret_cast<uv_handle_t*>(&state_->handle),
           [](uv_handle_t* h) { delete static_cast<State*>(h->data); });
}

void FdWatch::SetEvents(int events) {
  const int uv_events = ((events & kReadable) != 0 ? UV_READABLE : 0) |
                        ((events & kWritable) != 0 ? UV_WRITABLE : 0);
  if (uv_events == 0) {
    uv_poll_stop(&state_->handle);
    return;
  }
  uv_poll_start(
      &state_->handle, uv_events, [](uv_poll_t* h, int status, int got) {
        State* state = static_cast<State*>(h->data);
        if (state->closed) {
          return;
        }
        // An error is found by the read or write that follows.
        const int ready = status < 0
                              ? kReadable | kWritable
                              : ((got & UV_READABLE) != 0 ? kReadable : 0) |
                                    ((got & UV_WRITABLE) != 0 ? kWritable : 0);
        // A copy: the callback may destroy the watch, and with it itself.
        Callback callback = state->callback;
        callback(ready);
      });
}

struct Timer::State {
  uv_timer_t handle = {};
  std::function<void()> callback;
};

Timer::Timer(EventLoop* loop, absl::Duration delay,
             std::function<void()> callback)
    : state_(new State) {
  state_->callback = std::move(callback);
  uv_timer_init(loop->uv(), &state_->handle);
  state_->handle.data = state_;
  // libuv counts from the start of this loop turn; that may be long ago.
  uv_update_time(loop->uv());
  uv_timer_start(
      &state_->handle,
      [](uv_timer_t* h) {
        // Moved out: the callback may destroy the timer.
        std::function<void()> fire =
            std::move(static_cast<State*>(h->data)->callback);
        if (fire) {
          fire();
        }
      },
      static_cast<uint64_t>(absl::ToInt64Milliseconds(delay)), /*repeat=*/0);
}

Timer::~Timer() {
  state_->callback = nullptr;
  uv_close(reinterpret_cast<uv_handle_t*>(&state_->handle),
           [](uv_handle_t* h) { delete static_cast<State*>(h->data); });
}

}  // namespace vt::loop
