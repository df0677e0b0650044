// SPDX-License-Identifier: Apache-2.0
//
// Pump: keeps the queue of events short while nobody runs anything, so that the
// next run does not find it overflown.

#pragma once

#include <memory>

#include "daemon/loop/event_loop.h"
#include "daemon/loop/fd_watch.h"
#include "daemon/watch/watcher.h"

namespace vt::watch {

// Looks at most ten times a second, and not at all while nothing happens: the
// kernel joins equal events meanwhile. Loop-bound.
class Pump {
 public:
  // Both outlive it.
  Pump(loop::EventLoop* loop, Watcher* watcher);

 private:
  void OnEvents();

  loop::EventLoop* const loop_;
  Watcher* const watcher_;
  loop::FdWatch events_;
  std::unique_ptr<loop::Timer> pause_;
};

}  // namespace vt::watch
