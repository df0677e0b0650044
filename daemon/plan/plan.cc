// SPDX-License-Identifier: Apache-2.0

#include "daemon/plan/plan.h"

#include <algorithm>
#include <optional>
#include <set>
#include <string>
#include <thread>
#include <tuple>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/strip.h"

#include "daemon/base/status.h"
#include "daemon/plan/select.h"
#include "daemon/plan/step.h"
#include "daemon/plan/step_env.h"
#include "daemon/plan/task_graph.h"

namespace vt::plan {
namespace {

constexpr int kDefaultConcurrency = 4;  // R-PLAN-35

// "8" or "50%" (of the processors); 0 means 1. nullopt: neither.
std::optional<int> ParseLimit(absl::string_view text) {
  const bool percent = absl::ConsumeSuffix(&text, "%");
  int number = 0;
  if (text.empty() ||
      !absl::ascii_isdigit(static_cast<unsigned char>(text[0])) ||
      !absl::SimpleAtoi(text, &number)) {
    return std::nullopt;
  }
  if (percent) {
    const int64_t processors =
        std::max<int64_t>(1, std::thread::hardware_concurrency());
    number = static_cast<int>(
        std::min<int64_t>(processors * 100, processors * number / 100));
  }
  return std::max(1, number);
}

absl::StatusOr<int> Concurrency(const RunFlags& flags,
                                const base::EnvMap& env) {
  if (flags.concurrency_limit.has_value()) {
    const std::optional<int> limit = ParseLimit(*flags.concurrency_limit);
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
    const std::optional<int> limit = ParseLimit(value->second);
    if (!limit.has_value()) {
      return absl::FailedPreconditionError(absl::StrCat(
          "Invalid value for ", name, ": \"", value->second, "\""));
    }
    return *limit;
  }
  return kDefaultConcurrency;
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

// Whether `typed` is a subsequence of `label`, ignoring case; then how long the
// shortest part of `label` is that holds it, else nullopt.
std::optional<size_t> SubsequenceSpan(absl::string_view typed,
                                      absl::string_view label) {
  const std::string word = absl::AsciiStrToLower(typed);
  const std::string text = absl::AsciiStrToLower(label);
  std::optional<size_t> best;
  for (size_t start = 0; start < text.size() && !word.empty(); ++start) {
    size_t next = 0;
    for (size_t i = start; i < text.size() && text[start] == word[0]; ++i) {
      if (text[i] == word[next] && ++next == word.size()) {
        best = std::min(best.value_or(text.size()), i - start + 1);
        break;
      }
    }
  }
  return best;
}

}  // namespace

absl::StatusOr<Plan> MakePlan(const workspace::Workspace& workspace,
                              const RunFlags& flags,
                              const CallerFacts& caller) {
  if (!flags.task.has_value()) {
    return absl::InvalidArgumentError(
        "No task specifier provided for 'run' command");
  }
  VT_RETURN_IF_ERROR(CheckConfiguration(workspace));
  VT_ASSIGN_OR_RETURN(Selection selection,
                      Select(workspace, flags, caller.cwd));
  Plan plan;
  VT_ASSIGN_OR_RETURN(plan.concurrency, Concurrency(flags, caller.env));
  plan.warnings = std::move(selection.warnings);
  VT_ASSIGN_OR_RETURN(
      const std::vector<TaskNode> nodes,
      MakeTaskGraph(workspace, selection.packages, selection.task,
                    {flags.ignore_depends_on, flags.parallel}));
  if (nodes.empty() && !selection.packages.empty()) {
    return absl::NotFoundError(
        absl::StrCat("Task \"", *flags.task, "\" not found"));
  }
  std::set<std::string> default_names = DefaultNames(caller.env);
  default_names.insert("PATH");  // every step has one
  const StepFacts facts{workspace, caller, default_names,
                        flags.cache.value_or(workspace.cache_scripts),
                        flags.cache.value_or(workspace.cache_tasks)};
  const std::vector<std::string> none;
  for (const TaskNode& node : nodes) {
    PlannedTask task = Head(workspace, node);
    VT_ASSIGN_OR_RETURN(task.steps,
                        MakeSteps(facts, node.package, *node.task,
                                  node.selected ? flags.extra_args : none));
    plan.tasks.push_back(std::move(task));
  }
  return plan;
}

std::vector<ListedTask> ListTasks(const workspace::Workspace& workspace,
                                  const std::string& cwd) {
  const int current = workspace.PackageOf(cwd);
  std::vector<ListedTask> list;
  for (size_t i = 0; i < workspace.packages.size(); ++i) {
    const int package = static_cast<int>(i);
    for (const auto& [name, task] : workspace.packages[i].tasks) {
      list.push_back(
          {package, name,
           package == current ? name : workspace.Label(package, name),
           absl::StrJoin(task.commands, " && ")});
    }
  }
  auto key = [&workspace, current](const ListedTask& task) {
    return std::make_tuple(
        task.package != current,
        absl::string_view(
            workspace.packages[static_cast<size_t>(task.package)].name),
        absl::string_view(task.name));
  };
  std::stable_sort(list.begin(), list.end(),
                   [&key](const ListedTask& a, const ListedTask& b) {
                     return key(a) < key(b);
                   });
  return list;
}

std::optional<std::string> UnknownTaskText(
    const workspace::Workspace& workspace, const RunFlags& flags,
    const std::string& cwd) {
  if (!flags.task.has_value() || flags.recursive || flags.transitive ||
      flags.workspace_root || !flags.filters.empty() || flags.parallel ||
      flags.concurrency_limit.has_value() ||
      absl::StrContains(*flags.task, '#')) {
    return std::nullopt;
  }
  const int current = workspace.PackageOf(cwd);
  struct Match {
    std::tuple<bool, bool, size_t> rank;
    std::string line;
  };
  std::vector<Match> matches;
  for (const ListedTask& task : ListTasks(workspace, cwd)) {
    const std::optional<size_t> span = SubsequenceSpan(*flags.task, task.label);
    if (span.has_value()) {
      matches.push_back(
          {{task.package != current, task.label != *flags.task, *span},
           absl::StrCat("  ", task.label, ": ", task.command)});
    }
  }
  std::stable_sort(
      matches.begin(), matches.end(),
      [](const Match& a, const Match& b) { return a.rank < b.rank; });
  std::string text = absl::StrCat("Task \"", *flags.task, "\" not found.");
  if (!matches.empty()) {
    absl::StrAppend(&text, " Did you mean:");
  }
  absl::StrAppend(&text, "\n");
  for (const Match& match : matches) {
    absl::StrAppend(&text, match.line, "\n");
  }
  return text;
}

}  // namespace vt::plan
