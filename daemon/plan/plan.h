// SPDX-License-Identifier: Apache-2.0
//
// Plan: what a `vt run` will do: tasks in dependency order, each a list of
// steps (actions) resolved down to argv, directory, environment and cache
// policy. Looks at the workspace snapshot, the caller, PATH on disk, and asks
// git for what has changed if a filter wants to know.

#pragma once

#include <sys/types.h>

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"

#include "daemon/base/digest.h"
#include "daemon/base/env_query.h"
#include "daemon/plan/command_line.h"
#include "daemon/plan/shared_env.h"
#include "daemon/settings/settings.h"
#include "daemon/workspace/workspace.h"
#include "vtask/storage/v1/storage.pb.h"

namespace vt::plan {

// A task under way, as seen by a run that it started: from inside its command.
struct TaskFrame {
  std::string root;          // of its workspace
  std::string package_path;  // "" for the root
  std::string task;
  std::string label;
  // Plan::query of the plan that it is part of.
  std::string query;
};

struct CallerFacts {
  std::string cwd;  // absolute
  base::EnvMap env;
  // The tasks that the run was started from inside of, outermost first.
  std::vector<TaskFrame> inside;
  // What the user has set for the machine.
  settings::Settings settings = {};
  mode_t umask = 022;
};

struct Plan;

// One command: the unit of running and caching; or a whole run in its place.
struct Step {
  // kNested: the command is a `vt run`, whose plan stands here (R-PLAN-12).
  enum class Kind { kProcess, kShell, kEcho, kNested };
  Kind kind = Kind::kProcess;
  // kNested: never null. Of the other members only `argv`, `cwd`, `hook` and
  // those for display are set then.
  std::shared_ptr<const Plan> nested;
  std::string program;  // absolute; "" for echo
  // The program is not there: the whole text of the error. Only for cached
  // steps, whose hit does not need it; `program` is "" then.
  std::string program_missing;
  std::vector<std::string> argv;  // argv[0] as written
  // Complete environment of the child but for what tracking and the tool
  // endpoint add; R-ENV-1 for cached steps, R-ENV-3 for others.
  SharedEnv env;
  // What tools may ask for: the caller's environment, unfiltered, with PATH and
  // prefix assignments of this step (tool-ipc 4.3).
  SharedEnv tool_env;
  // Name patterns that stay untracked whatever a tool asks (tool-ipc D6): the
  // user's `untrackedEnv`.
  std::vector<std::string> user_untracked;
  // How long to wait for tools that are still connected in the end.
  absl::Duration tool_drain = absl::Seconds(2);
  std::string cwd;              // absolute, normalised
  std::string echo_text;        // kEcho: what it prints
  std::string display_cwd;      // "" for the root, else "~/packages/a"
  std::string display_command;  // as written, extra arguments quoted
  std::string hook;             // "pretest" if it is part of one

  bool cached = false;   // R-CACHE-2
  bool refresh = false;  // --force: run it although there is a result
  mode_t umask = 022;    // of the caller
  // Its environment holds more than the description says: what it reads of that
  // is known from the tool endpoint alone.
  bool watches_env = false;
  // Why not, if not: "in task configuration", "for built-in command", "for a
  // nested run" or "its directory is outside the workspace".
  std::string cache_off_reason;
  // Everything known before it runs; set if `cached`.
  vtask::storage::v1::WeakDescription description;
  // Of the description, and of all of `tool_env`. Set if `cached`, by
  // SetDigests.
  base::Digest weak;
  base::Digest tool_env_digest;
  // Says whose last result to compare with on a miss: package path, task, array
  // index, && index and extra arguments; unique in the workspace.
  std::string position;
};

struct PlannedTask {
  int package = 0;  // index into the workspace
  std::string package_name;
  std::string package_path;  // "" for the root
  std::string name;
  std::string label;            // "pkg#task"
  std::vector<Step> steps;      // sequential
  std::vector<int> depends_on;  // indices into Plan::tasks
};

// The tasks of one `vt run`; those of nested ones have plans of their own, with
// their own limit.
struct Plan {
  std::vector<PlannedTask> tasks;  // a valid order: dependencies first
  int concurrency = 4;             // tasks at once; 0: unlimited
  // A failure ends the other tasks of this plan, too.
  bool fail_fast = true;
  // What was asked for, without arguments and cache flags: packages, task and
  // whether `dependsOn` counts. Equal for the same question (R-PLAN-14).
  std::string query;
  // Lines for stderr; the outermost plan has those of nested ones, too.
  std::vector<std::string> warnings;
};

// Errors: NOT_FOUND (unknown task or package, with suggestions; exit code 1),
// FAILED_PRECONDITION (cycle, recursion, program not found, errors of nested
// runs; exit code 1),
// INVALID_ARGUMENT (flags that exclude each other, bad values; exit code 2).
// The message is the whole text after "error: ", causes as further lines
// that start with "* ".
absl::StatusOr<Plan> MakePlan(const workspace::Workspace& workspace,
                              const RunFlags& flags, const CallerFacts& caller);

// When the description and `tool_env` of a cached step are complete.
void SetDigests(Step* step);

// Calls `visit` for every step that does something, those of nested plans in
// place of the nested run, in plan order.
void ForEachStep(
    const Plan& plan,
    const std::function<void(const PlannedTask&, const Step&)>& visit);

struct ListedTask {
  int package = 0;
  std::string name;
  std::string label;    // bare name in the current package
  std::string command;  // array joined with " && "
};
// All tasks, as `vt run` without a task lists them (R-CLI-5).
std::vector<ListedTask> ListTasks(const workspace::Workspace& workspace,
                                  const std::string& cwd);

// When MakePlan answered NOT_FOUND: the text for *stdout* if the request was a
// bare task name without flags that select or plan (R-CLI-6), with the tasks
// that are like it; nullopt if the error itself is to be shown on stderr. Ends
// with a newline.
std::optional<std::string> UnknownTaskText(
    const workspace::Workspace& workspace, const RunFlags& flags,
    const std::string& cwd);

}  // namespace vt::plan
