// SPDX-License-Identifier: Apache-2.0
//
// IdleTimer calls back when nothing has happened for long enough.

#pragma once

#include <functional>
#include <memory>

#include "absl/time/time.h"

#include "daemon/loop/event_loop.h"
#include "daemon/loop/fd_watch.h"

namespace vt::lifecycle {

// Loop-bound.
class IdleTimer {
 public:
  // Idle from now on. `on_idle` is called once, after a time in a row without
  // work: what `patience` says when it begins. An infinite one never passes.
  IdleTimer(loop::EventLoop* loop, std::function<absl::Duration()> patience,
            std::function<void()> on_idle);
  IdleTimer(const IdleTimer&) = delete;
  IdleTimer& operator=(const IdleTimer&) = delete;
  ~IdleTimer() = default;

  // To be told of every change. Work that came and went counts: the time starts
  // anew whenever it ends.
  void SetBusy(bool busy);

 private:
  void Arm();

  loop::EventLoop* const loop_;
  const std::function<absl::Duration()> patience_;
  const std::function<void()> on_idle_;
  bool busy_ = false;
  std::unique_ptr<loop::Timer> timer_;
};

}  // namespace vt::lifecycle
