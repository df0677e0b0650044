// SPDX-License-Identifier: Apache-2.0
//
// Action: the life of one command in one run, from lookup to stored
// (docs/LIFE_OF_A_RUN.md). A state machine on the loop; blocking parts run on
// the worker pool and come back as values.

#pragma once

#include <sys/resource.h>

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/time/time.h"

#include "daemon/plan/plan.h"
#include "daemon/run/engine.h"
#include "vtask/v1/daemon.pb.h"

namespace vt::run {

// What a run tells its actions about the caller.
struct CallerContext {
  std::string root;  // of the workspace
  mode_t umask = 022;
  int nice = 0;
  std::vector<std::pair<int, rlimit>> limits;
  // Uncached commands run on the caller's own terminal.
  bool shim_executes = false;
  // Uncached commands that run here have the caller's input, not /dev/null
  // (R-EXE-1).
  bool forwards_stdin = true;
  // VT_VERIFY=stat: look at every file, whatever is known of it.
  bool verify_by_stat = false;
  // -vv: tell what did not change, and the outputs.
  bool wants_details = false;
  // The action that the whole run was started from inside of; id 0: none.
  RunningAction enclosing;
};

enum class ActionOutcome { kSucceeded, kFailed, kCancelled };

// How an action talks to its run. Called on the loop.
class ActionHost {
 public:
  virtual ~ActionHost() = default;
  virtual void Emit(vtask::v1::RunEvent event) = 0;
  // Asks the shim to run a command; the answer comes to Action::Executed.
  virtual void Execute(vtask::v1::RunResponse::Execute execute) = 0;
  // What its outcome rests on: while that holds, the action would do the same
  // again. Null: nobody knows. Once, before ActionDone, of all but echo.
  virtual void RestsOn(KnownHitPtr hit) = 0;
  // The last call; the action may be destroyed after it returns.
  virtual void ActionDone(uint32_t index, ActionOutcome outcome,
                          int exit_code) = 0;
};

// Loop-bound.
class Action {
 public:
  // `chain` is the task it belongs to, after those around it. `step`, `context`
  // and `host` outlive the action. Nothing happens before Start.
  static std::unique_ptr<Action> Create(Engine* engine, ActionHost* host,
                                        const CallerContext* context,
                                        const plan::Step* step,
                                        std::vector<plan::TaskFrame> chain,
                                        vtask::v1::ActionRef ref);
  virtual ~Action() = default;

  virtual void Start() = 0;
  // Ends it: `signal` to the whole tree, then harder (decisions H17); a second
  // call kills at once. ActionDone follows.
  virtual void Cancel(int signal) = 0;
  // Stops, or resumes, reading the output of the process.
  virtual void SetPaused(bool paused) = 0;
  // Standard input for a process that has some; dropped by all others.
  virtual void Stdin(absl::string_view data, bool eof) = 0;
  // What the shim says of a command it runs for us.
  virtual void Executed(const vtask::v1::RunRequest::Executed& answer) = 0;
};

}  // namespace vt::run
