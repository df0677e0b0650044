// SPDX-License-Identifier: Apache-2.0
//
// Engine: what all runs share. One object, owned by the Runner, handed down by
// pointer; it holds no behaviour of a run.

#pragma once

#include <sys/types.h>

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "daemon/cache/action_cache.h"
#include "daemon/loop/event_loop.h"
#include "daemon/loop/worker_pool.h"
#include "daemon/plan/plan.h"
#include "daemon/run/in_flight.h"
#include "daemon/run/jobserver.h"
#include "daemon/run/known.h"
#include "daemon/run/nest.h"
#include "daemon/run/runner.h"
#include "daemon/run/slots.h"
#include "daemon/settings/settings.h"

namespace vt::run {

// An action whose process is running: how a `vt run` inside a task is
// recognised (decisions H2).
struct RunningAction {
  ActionId id = 0;
  // Main process; 0 while only the shim knows it.
  pid_t pid = 0;
  // From the outermost task to this one.
  std::vector<plan::TaskFrame> chain;
  // It, and the actions it runs inside of, outermost first.
  std::vector<ActionId> around;
  // Whose Nest hears of runs inside it: its own, or, if its processes belong to
  // the action around it, that one's. 0: nobody's.
  ActionId collector = 0;
  // Inodes of the pipes that its output comes through; none if the shim has it.
  std::vector<ino_t> output_pipes;
  // In-flight keys that it, and the actions it runs inside of, hold; to label.
  std::map<std::string, std::string> held_keys;
};

class Housekeeping;
class RunLog;

// Loop-bound.
struct Engine {
  loop::EventLoop* loop = nullptr;
  loop::WorkerPool* workers = nullptr;
  cache::ActionCache* cache =
      nullptr;  // null: uncached, `cache_error` says why
  std::string cache_error;
  RunnerOptions options;
  Housekeeping* housekeeping = nullptr;  // never null in a running daemon
  RunLog* run_log = nullptr;             // the same
  InFlight in_flight;
  Slots slots;
  std::unique_ptr<Jobserver> jobserver;  // if the user wants one
  Known known;
  std::map<ActionId, RunningAction> running;
  // Of cached actions that run, until they are stored.
  std::map<ActionId, Nest> nests;
  ActionId next_action = 1;
  // Some process outlived its action: it may become our zombie.
  bool has_escapees = false;
  // The daemon is leaving: look up and store nothing more (decisions H20).
  bool draining = false;
};

// Where history/runs.h keeps the runs.
std::string RunsDirectory(const Engine& engine);

// How much of the machine all runs together may have, as `settings` say.
void ShareMachine(Engine* engine, const settings::Settings& settings);

// Null: there is none (any more).
Nest* FindNest(Engine* engine, ActionId collector);

// Environment entry that says which action a process belongs to.
std::string ActionMarker(ActionId id);

// The running action that process `pid` belongs to, or null: its process tree
// holds `pid`, or else `marker` (the value of VT_ACTION, may be empty) names
// it, for a process that the shim has only just started. Walks /proc upwards.
RunningAction* FindEnclosing(Engine* engine, pid_t pid,
                             const std::string& marker);

}  // namespace vt::run
