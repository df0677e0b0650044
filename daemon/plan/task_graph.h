// SPDX-License-Identifier: Apache-2.0
//
// Which tasks a selection runs, and in which order (spec/runner.md 4.4).

#pragma once

#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"

#include "daemon/workspace/workspace.h"

namespace vt::plan {

// A task to run. Values.
struct TaskNode {
  int package = 0;
  const workspace::Task* task = nullptr;  // of the workspace
  bool selected = false;                  // not only by `dependsOn`
  std::set<int> depends_on;               // nodes that come first
};

struct GraphOptions {
  bool ignore_depends_on = false;
  bool parallel = false;  // no edges at all
};

// The tasks called `task` of `packages`, what they depend on, and the order:
// dependencies first; among tasks that are ready by package path, then name.
// Empty if no package has the task. FAILED_PRECONDITION: a cycle, as a chain.
absl::StatusOr<std::vector<TaskNode>> MakeTaskGraph(
    const workspace::Workspace& workspace, const std::set<int>& packages,
    const std::string& task, const GraphOptions& options);

// The tasks that one `dependsOn` entry of a task of `package` names.
std::vector<std::pair<int, const workspace::Task*>> ResolveDependsOn(
    const workspace::Workspace& workspace, int package,
    const workspace::DependsOn& depends);

}  // namespace vt::plan
