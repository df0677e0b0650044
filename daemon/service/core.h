// SPDX-License-Identifier: Apache-2.0
//
// Core: what the calls of one server share. Owned by the server, which outlives
// every call (its Stop waits for them).

#pragma once

#include <cstdint>
#include <functional>
#include <map>

#include "absl/time/time.h"

#include "daemon/loop/event_loop.h"
#include "daemon/run/runner.h"
#include "daemon/service/server.h"

namespace vt::service {

// Loop-bound, but for `loop` itself.
struct Core {
  loop::EventLoop* loop = nullptr;
  run::Runner* runner = nullptr;
  ServerOptions options;
  absl::Time started;
  // No new runs: the daemon is on its way out.
  bool leaving = false;
  // Run calls that began a run and are not yet done.
  int run_calls = 0;
  // Ends the stream of each subscriber.
  std::map<run::Runner::SubscriberId, std::function<void()>> subscribers;

  void RunCallsChanged(int by) {
    run_calls += by;
    if (options.on_run_calls != nullptr) {
      options.on_run_calls(run_calls);
    }
  }
};

}  // namespace vt::service
