// SPDX-License-Identifier: Apache-2.0

#include "daemon/plan/task_list.h"

#include <algorithm>
#include <optional>
#include <string>
#include <tuple>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

#include "daemon/base/fuzzy.h"
#include "daemon/base/suggest.h"
#include "daemon/plan/plan.h"

namespace vt::plan {

absl::Status UnknownTask(const workspace::Workspace& workspace,
                         const Selection& selection, const std::string& typed) {
  std::vector<std::string> names;
  for (const int package : selection.packages) {
    for (const auto& [name, task] :
         workspace.packages[static_cast<size_t>(package)].tasks) {
      names.push_back(name);
    }
  }
  return absl::NotFoundError(
      absl::StrCat("Task \"", typed, "\" not found",
                   base::DidYouMean(selection.task, names)));
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
  std::vector<std::string> labels;
  const std::vector<ListedTask> tasks = ListTasks(workspace, cwd);
  for (const ListedTask& task : tasks) {
    labels.push_back(task.label);
    const std::optional<size_t> span =
        base::SubsequenceSpan(*flags.task, task.label);
    if (span.has_value() && !flags.task->empty()) {
      matches.push_back(
          {{task.package != current, task.label != *flags.task, *span},
           absl::StrCat("  ", task.label, ": ", task.command)});
    }
  }
  if (matches.empty()) {  // not a part of any, but perhaps a slip
    const std::string nearest = base::Nearest(*flags.task, labels);
    for (const ListedTask& task : tasks) {
      if (task.label == nearest) {
        matches.push_back(
            {{}, absl::StrCat("  ", task.label, ": ", task.command)});
      }
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
