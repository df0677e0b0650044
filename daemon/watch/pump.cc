// SPDX-License-Identifier: Apache-2.0

#include "daemon/watch/pump.h"

namespace vt::watch {
namespace {

constexpr absl::Duration kPause = absl::Milliseconds(100);

}  // namespace

Pump::Pump(loop::EventLoop* loop, Watcher* watcher)
    : loop_(loop),
      watcher_(watcher),
      events_(loop, watcher->fd(), loop::FdWatch::kReadable,
              [this](int /*events*/) { OnEvents(); }) {}

void Pump::OnEvents() {
  watcher_->Drain();
  events_.SetEvents(0);
  pause_ = std::make_unique<loop::Timer>(
      loop_, kPause, [this] { events_.SetEvents(loop::FdWatch::kReadable); });
}

}  // namespace vt::watch
