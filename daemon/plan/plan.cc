// SPDX-License-Identifier: Apache-2.0

#include "daemon/plan/plan.h"

#include <algorithm>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/strip.h"

#include "daemon/base/status.h"
#include "daemon/fingerprint/sink.h"
#include "daemon/plan/select.h"
#include "daemon/plan/step.h"
#include "daemon/plan/step_env.h"
#include "daemon/plan/task_graph.h"
#include "daemon/plan/task_list.h"

namespace vt::plan {
namespace {

// R-PLAN-35.
absl::StatusOr<int> Concurrency(const RunFlags& flags, const base::EnvMap& env,
                                const settings::Settings& settings) {
  if (flags.concurrency_limit.has_value()) {
    const std::optional<int> limit =
        settings::ParseConcurrency(*flags.concurrency_limit);
    if (!limit.has_value()) {
      return absl::InvalidArgumentError(
          absl::StrCat("invalid value '", *flags.concurrency_limit,
                       "' for '--concurrency-limit <CONCURRENCY_LIMIT>'"));
    }
    return *limit;
  }
  if (flags.parallel) {
    return 0;
  }
  for (const char* name :
       {"VT_RUN_CONCURRENCY_LIMIT", "VP_RUN_CONCURRENCY_LIMIT"}) {
    const auto value = env.find(name);
    if (value == env.end() || value->second.empty()) {
      continue;  // empty is unset
    }
    const std::optional<int> limit = settings::ParseConcurrency(value->second);
    if (!limit.has_value()) {
      return absl::FailedPreconditionError(absl::StrCat(
          "Invalid value for ", name, ": \"", value->second, "\""));
    }
    return *limit;
  }
  return settings::ParseConcurrency(settings.concurrency).value_or(1);
}

absl::Status CheckConfiguration(const workspace::Workspace& workspace) {
  if (workspace.dependency_errors.empty()) {
    return absl::OkStatus();
  }
  return absl::InvalidArgumentError(
      absl::StrCat("Failed to load task graph\n* ",
                   absl::StrJoin(workspace.dependency_errors, "\n* ")));
}

PlannedTask Head(const workspace::Workspace& workspace, const TaskNode& node) {
  const workspace::Package& package =
      workspace.packages[static_cast<size_t>(node.package)];
  PlannedTask task;
  task.package = node.package;
  task.package_name = package.name;
  task.package_path = package.path;
  task.name = node.task->name;
  task.label = workspace.Label(node.package, node.task->name);
  task.depends_on.assign(node.depends_on.begin(), node.depends_on.end());
  return task;
}

// Plan::query.
std::string QueryOf(const workspace::Workspace& workspace,
                    const Selection& selection, const RunFlags& flags) {
  constexpr absl::string_view kNul("\0", 1);
  std::string text =
      absl::StrCat(selection.task, kNul, flags.ignore_depends_on ? "1" : "0");
  for (const int package : selection.packages) {
    absl::StrAppend(&text, kNul,
                    workspace.packages[static_cast<size_t>(package)].path);
  }
  return std::string(fingerprint::Sha256(text).AsBytes());
}

// What a nested run has from the one around it, unless it says otherwise.
struct Inherited {
  bool cache_scripts = false;
  bool cache_tasks = true;
  bool refresh = false;
  bool fail_fast = true;
};

// Makes a plan and those nested in it. Thread-compatible.
class Planner {
 public:
  explicit Planner(const workspace::Workspace& workspace)
      : workspace_(workspace) {}

  // `default_names` are DefaultNames of the caller's environment.
  absl::StatusOr<Plan> Make(const RunFlags& flags, const CallerFacts& caller,
                            Inherited inherited,
                            const std::set<std::string>& default_names) {
    VT_ASSIGN_OR_RETURN(Selection selection, Select(workspace_, flags, caller));
    Plan plan;
    VT_ASSIGN_OR_RETURN(plan.concurrency,
                        Concurrency(flags, caller.env, caller.settings));
    warnings_.insert(warnings_.end(), selection.warnings.begin(),
                     selection.warnings.end());
    plan.query = QueryOf(workspace_, selection, flags);
    if (const TaskFrame* around = Around(caller);
        around != nullptr && around->query == plan.query) {
      return plan;  // R-PLAN-14: what it is expanded from
    }
    inherited.cache_scripts = flags.cache.value_or(inherited.cache_scripts);
    inherited.cache_tasks = flags.cache.value_or(inherited.cache_tasks);
    inherited.refresh = inherited.refresh || flags.force;
    inherited.fail_fast = flags.fail_fast.value_or(inherited.fail_fast);
    plan.fail_fast = inherited.fail_fast;
    VT_ASSIGN_OR_RETURN(
        std::vector<TaskNode> nodes,
        MakeTaskGraph(workspace_, selection.packages, selection.task,
                      {flags.ignore_depends_on, flags.parallel}));
    if (nodes.empty() && !selection.packages.empty()) {
      return UnknownTask(workspace_, selection, *flags.task);
    }
    VT_RETURN_IF_ERROR(LeaveOutEnclosing(caller, &nodes));
    const auto env = std::make_shared<const base::EnvMap>(caller.env);
    for (const TaskNode& node : nodes) {
      VT_ASSIGN_OR_RETURN(PlannedTask task,
                          MakeTask(node, flags, caller, env, inherited,
                                   default_names, plan.query));
      plan.tasks.push_back(std::move(task));
    }
    return plan;
  }

  std::vector<std::string> TakeWarnings() { return std::move(warnings_); }

 private:
  // The task of this workspace that the run was started by, or null.
  const TaskFrame* Around(const CallerFacts& caller) const {
    return caller.inside.empty() || caller.inside.back().root != workspace_.root
               ? nullptr
               : &caller.inside.back();
  }

  bool IsTask(const TaskFrame& frame, const TaskNode& node) const {
    return frame.root == workspace_.root && frame.task == node.task->name &&
           frame.package_path ==
               workspace_.packages[static_cast<size_t>(node.package)].path;
  }

  // R-PLAN-15: the task that started this run is not part of it. R-PLAN-16: any
  // other task that is under way around it would wait for itself.
  absl::Status LeaveOutEnclosing(const CallerFacts& caller,
                                 std::vector<TaskNode>* nodes) const {
    for (size_t n = 0; n < nodes->size(); ++n) {
      const auto around = std::find_if(
          caller.inside.begin(), caller.inside.end(),
          [&](const TaskFrame& frame) { return IsTask(frame, (*nodes)[n]); });
      if (around == caller.inside.end()) {
        continue;
      }
      if (around + 1 == caller.inside.end()) {
        Bypass(static_cast<int>(n), nodes);
        --n;
        continue;
      }
      return absl::FailedPreconditionError(absl::StrCat(
          "the task runs itself: ",
          absl::StrJoin(around, caller.inside.end(), " -> ",
                        [](std::string* out, const TaskFrame& frame) {
                          absl::StrAppend(out, frame.label);
                        }),
          " -> ", around->label));
    }
    return absl::OkStatus();
  }

  // Removes a node; what waited for it waits for what it waited for.
  static void Bypass(int removed, std::vector<TaskNode>* nodes) {
    const std::set<int> before =
        (*nodes)[static_cast<size_t>(removed)].depends_on;
    nodes->erase(nodes->begin() + removed);
    for (TaskNode& node : *nodes) {
      std::set<int> renumbered;
      if (node.depends_on.erase(removed) > 0) {
        node.depends_on.insert(before.begin(), before.end());
      }
      for (const int dependency : node.depends_on) {
        renumbered.insert(dependency - (dependency > removed ? 1 : 0));
      }
      node.depends_on = std::move(renumbered);
    }
  }

  absl::StatusOr<PlannedTask> MakeTask(
      const TaskNode& node, const RunFlags& flags, const CallerFacts& caller,
      std::shared_ptr<const base::EnvMap> env, const Inherited& inherited,
      const std::set<std::string>& default_names, const std::string& query) {
    PlannedTask task = Head(workspace_, node);
    StepFacts facts{workspace_,
                    caller.env,
                    std::move(env),
                    &envs_,
                    caller.settings,
                    default_names,
                    inherited.cache_scripts,
                    inherited.cache_tasks,
                    inherited.refresh,
                    caller.umask,
                    nullptr};
    facts.plan_nested = [&](const NestedRun& run)
        -> absl::StatusOr<std::shared_ptr<const Plan>> {
      CallerFacts nested{run.cwd, run.env, caller.inside, caller.settings,
                         caller.umask};
      nested.inside.push_back(
          {workspace_.root, task.package_path, task.name, task.label, query});
      base::EnvMap assigned;  // the rest has been asked for
      for (const auto& [name, value] : run.env) {
        if (caller.env.count(name) == 0) {
          assigned[name] = value;
        }
      }
      std::set<std::string> names = DefaultNames(assigned);
      names.insert(default_names.begin(), default_names.end());
      VT_ASSIGN_OR_RETURN(Plan plan, Make(run.flags, nested, inherited, names));
      if (plan.query == query) {
        return nullptr;
      }
      return std::make_shared<const Plan>(std::move(plan));
    };
    const std::vector<std::string> none;
    VT_ASSIGN_OR_RETURN(task.steps,
                        MakeSteps(facts, node.package, *node.task,
                                  node.selected ? flags.extra_args : none));
    return task;
  }

  const workspace::Workspace& workspace_;
  std::vector<std::string> warnings_;
  EnvPool envs_;
};

}  // namespace

absl::StatusOr<Plan> MakePlan(const workspace::Workspace& workspace,
                              const RunFlags& flags,
                              const CallerFacts& caller) {
  if (!flags.task.has_value()) {
    return absl::InvalidArgumentError(
        "No task specifier provided for 'run' command");
  }
  VT_RETURN_IF_ERROR(CheckConfiguration(workspace));
  std::set<std::string> default_names = DefaultNames(caller.env);
  default_names.insert("PATH");  // every step has one
  Planner planner(workspace);
  VT_ASSIGN_OR_RETURN(
      Plan plan, planner.Make(flags, caller,
                              {workspace.cache_scripts, workspace.cache_tasks,
                               /*refresh=*/false, /*fail_fast=*/true},
                              default_names));
  plan.warnings = planner.TakeWarnings();
  return plan;
}

void SetDigests(Step* step) {
  step->weak = fingerprint::WeakFingerprint(step->description);
  fingerprint::HashingSink sink;
  const std::shared_ptr<const base::EnvMap> env = step->tool_env.All();
  for (const auto& [name, value] : *env) {
    sink.Bytes(name, value);
  }
  step->tool_env_digest = sink.Finish();
}

void ForEachStep(
    const Plan& plan,
    const std::function<void(const PlannedTask&, const Step&)>& visit) {
  for (const PlannedTask& task : plan.tasks) {
    for (const Step& step : task.steps) {
      if (step.kind == Step::Kind::kNested) {
        ForEachStep(*step.nested, visit);
      } else {
        visit(task, step);
      }
    }
  }
}

}  // namespace vt::plan
