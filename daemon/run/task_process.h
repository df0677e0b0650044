// SPDX-License-Identifier: Apache-2.0
//
// TaskProcess: the process of one action and all that listens to it: two output
// pipes, tracer, tool endpoint. It starts them together and, when the main
// process has ended, drains them together.

#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"

#include "daemon/exec/process.h"
#include "daemon/ipc/tool_endpoint.h"
#include "daemon/plan/plan.h"
#include "daemon/run/engine.h"
#include "daemon/track/access_set.h"
#include "daemon/track/tracker.h"

namespace vt::run {

struct CallerContext;

// What is left when everything has ended.
struct TaskEnd {
  exec::ExitStatus status;
  absl::Time started;
  int64_t started_file_clock_ns = 0;  // base::FileClock::now_ns
  int64_t ended_file_clock_ns = 0;    // its past_ns, when all was drained
  absl::Duration duration;
  ipc::ToolReports reports;
  // Not set: it was not tracked.
  std::optional<track::AccessSet> accesses;
};

// What is attached to a process beside its output pipes.
struct Attachments {
  // Else its standard input is empty.
  bool stdin_pipe = false;
  // Tools inside it may talk to us.
  bool tool_endpoint = false;
  // How to track it; level 4: not at all.
  track::Tier tracking;
  // It holds a slot: tools in it may share the others.
  bool jobserver = false;
  // Of the action around it: hears what it changes.
  track::ChangeSink enclosing;
};

// Loop-bound.
class TaskProcess {
 public:
  struct Hooks {
    std::function<void(bool is_stderr, absl::string_view data)> on_output;
    // Once, after everything was drained; may destroy the TaskProcess.
    std::function<void(TaskEnd)> on_end;
  };

  // Starts `step`. `running` describes it to nested runs. On error nothing
  // runs, and no hook is called. Blocks for the spawn, 1 to 3 ms.
  //
  // Errors: as exec::Spawn; NOT_FOUND for a program that is not there.
  static absl::StatusOr<std::unique_ptr<TaskProcess>> Start(
      Engine* engine, const CallerContext& context, const plan::Step& step,
      const Attachments& attachments, RunningAction running, Hooks hooks);
  virtual ~TaskProcess() = default;

  // Ends the whole tree; see exec::Process::Terminate.
  virtual void Cancel(int signal) = 0;
  // Stops, or resumes, reading its output.
  virtual void SetPaused(bool paused) = 0;
  // Hears what actions that run inside of it change; empty if it is not
  // tracked.
  virtual track::ChangeSink SinkForNested() = 0;
  // For its standard input, if it has Attachments::stdin_pipe; else dropped.
  virtual void Stdin(absl::string_view data, bool eof) = 0;
};

}  // namespace vt::run
