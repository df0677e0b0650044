// SPDX-License-Identifier: Apache-2.0
//
// Engine: what all runs share. One object, owned by the Runner, handed down by
// pointer; it holds no behaviour of a run.

#pragma once

#include <sys/types.h>

#include <map>
#include <string>

#include "daemon/cache/action_cache.h"
#include "daemon/loop/event_loop.h"
#include "daemon/loop/worker_pool.h"
#include "daemon/run/in_flight.h"
#include "daemon/run/runner.h"

namespace vt::run {

// A task process that is running, by the pid of its main process: how a `vt
// run` inside a task is recognised (decisions H2).
struct RunningAction {
  ActionId id = 0;
  std::string label;
  // A run was started from inside it.
  bool has_nested_run = false;
  // In-flight keys that it, and the actions it runs inside of, hold; to label.
  std::map<std::string, std::string> held_keys;
};

// Loop-bound.
struct Engine {
  loop::EventLoop* loop = nullptr;
  loop::WorkerPool* workers = nullptr;
  cache::ActionCache* cache =
      nullptr;  // null: uncached, `cache_error` says why
  std::string cache_error;
  RunnerOptions options;
  InFlight in_flight;
  std::map<pid_t, RunningAction> running;
  ActionId next_action = 1;
  // Some process outlived its action: it may become our zombie.
  bool has_escapees = false;
  // The daemon is leaving: look up and store nothing more (decisions H20).
  bool draining = false;
};

// The running action whose process tree holds `pid`, or null. Walks /proc
// upwards.
RunningAction* FindEnclosing(Engine* engine, pid_t pid);

}  // namespace vt::run
