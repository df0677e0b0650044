// SPDX-License-Identifier: Apache-2.0

#include "daemon/lifecycle/idle_timer.h"

#include <utility>

namespace vt::lifecycle {

IdleTimer::IdleTimer(loop::EventLoop* loop,
                     std::function<absl::Duration()> patience,
                     std::function<void()> on_idle)
    : loop_(loop),
      patience_(std::move(patience)),
      on_idle_(std::move(on_idle)) {
  Arm();
}

void IdleTimer::SetBusy(bool busy) {
  if (busy == busy_) {
    return;
  }
  busy_ = busy;
  if (busy) {
    timer_.reset();
  } else {
    Arm();
  }
}

void IdleTimer::Arm() {
  const absl::Duration patience = patience_();
  if (patience < absl::InfiniteDuration()) {
    timer_ = std::make_unique<loop::Timer>(loop_, patience, on_idle_);
  }
}

}  // namespace vt::lifecycle
