// SPDX-License-Identifier: Apache-2.0

#include "daemon/plan/task_graph.h"

#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

#include "daemon/base/status.h"

namespace vt::plan {
namespace {

using workspace::Package;
using workspace::Task;
using workspace::Workspace;

const Package& PackageAt(const Workspace& workspace, int index) {
  return workspace.packages[static_cast<size_t>(index)];
}

const Task* FindTask(const Workspace& workspace, int package,
                     const std::string& name) {
  const std::map<std::string, Task>& tasks =
      PackageAt(workspace, package).tasks;
  const auto found = tasks.find(name);
  return found == tasks.end() ? nullptr : &found->second;
}

// Thread-compatible.
class GraphMaker {
 public:
  explicit GraphMaker(const Workspace& workspace) : workspace_(workspace) {}

  void AddSelected(const std::set<int>& packages, const std::string& name) {
    for (const int package : packages) {
      const Task* task = FindTask(workspace_, package, name);
      if (task != nullptr) {
        nodes_[static_cast<size_t>(Node(package, task))].selected = true;
      }
    }
    const size_t selected = nodes_.size();
    for (size_t i = 0; i < selected; ++i) {
      std::set<int> seen;
      Bridge(packages, name, nodes_[i].package, static_cast<int>(i), &seen);
    }
  }

  // R-PLAN-31: transitively; what comes in brings no package order.
  void AddDependsOn() {
    for (size_t i = 0; i < nodes_.size(); ++i) {
      const int package = nodes_[i].package;
      for (const workspace::DependsOn& depends : nodes_[i].task->depends_on) {
        for (const auto& [target, task] :
             ResolveDependsOn(workspace_, package, depends)) {
          const int node = Node(target, task);
          nodes_[i].depends_on.insert(node);
        }
      }
    }
  }

  void DropEdges() {
    for (TaskNode& node : nodes_) {
      node.depends_on.clear();
    }
  }

  // Sorted, with edges renumbered.
  absl::StatusOr<std::vector<TaskNode>> Finish() {
    auto before = [this](int a, int b) {
      const TaskNode& x = nodes_[static_cast<size_t>(a)];
      const TaskNode& y = nodes_[static_cast<size_t>(b)];
      // Packages are in the order of R-PLAN-36 already.
      return std::tie(x.package, x.task->name) <
             std::tie(y.package, y.task->name);
    };
    std::set<int, decltype(before)> ready(before);
    std::vector<std::vector<int>> dependents(nodes_.size());
    std::vector<size_t> missing(nodes_.size());
    for (size_t i = 0; i < nodes_.size(); ++i) {
      missing[i] = nodes_[i].depends_on.size();
      for (const int dependency : nodes_[i].depends_on) {
        dependents[static_cast<size_t>(dependency)].push_back(
            static_cast<int>(i));
      }
      if (missing[i] == 0) {
        ready.insert(static_cast<int>(i));
      }
    }
    std::vector<int> position(nodes_.size(), -1);
    std::vector<TaskNode> sorted;
    while (!ready.empty()) {
      const int node = *ready.begin();
      ready.erase(ready.begin());
      position[static_cast<size_t>(node)] = static_cast<int>(sorted.size());
      sorted.push_back(nodes_[static_cast<size_t>(node)]);
      for (const int dependent : dependents[static_cast<size_t>(node)]) {
        if (--missing[static_cast<size_t>(dependent)] == 0) {
          ready.insert(dependent);
        }
      }
    }
    if (sorted.size() < nodes_.size()) {
      return Cycle(position);
    }
    for (TaskNode& node : sorted) {
      std::set<int> renumbered;
      for (const int dependency : node.depends_on) {
        renumbered.insert(position[static_cast<size_t>(dependency)]);
      }
      node.depends_on = std::move(renumbered);
    }
    return sorted;
  }

 private:
  int Node(int package, const Task* task) {
    const auto [entry, inserted] = index_.emplace(
        std::make_pair(package, task->name), static_cast<int>(nodes_.size()));
    if (inserted) {
      nodes_.push_back({package, task, false, {}});
    }
    return entry->second;
  }

  // R-PLAN-30, R-SEL-23: edges from `node` to the nearest tasks below
  // `package`, through selected packages that lack the task; never to itself
  //
  void Bridge(const std::set<int>& packages, const std::string& name,
              int package, int node, std::set<int>* seen) {
    for (const workspace::DependencyEdge& edge :
         PackageAt(workspace_, package).dependencies) {
      if (packages.count(edge.package) == 0 ||
          !seen->insert(edge.package).second) {
        continue;
      }
      const Task* task = FindTask(workspace_, edge.package, name);
      if (task == nullptr) {
        Bridge(packages, name, edge.package, node, seen);
        continue;
      }
      const int target = Node(edge.package, task);
      if (target != node) {
        nodes_[static_cast<size_t>(node)].depends_on.insert(target);
      }
    }
  }

  std::string LabelOf(int node) const {
    const TaskNode& n = nodes_[static_cast<size_t>(node)];
    return workspace_.Label(n.package, n.task->name);
  }

  // R-PLAN-33. Nodes without a position are on a cycle or above one; following
  // edges among them from any of them must come back to one seen before.
  absl::Status Cycle(const std::vector<int>& position) const {
    int node = 0;
    while (position[static_cast<size_t>(node)] >= 0) {
      ++node;
    }
    std::vector<int> chain;
    while (std::find(chain.begin(), chain.end(), node) == chain.end()) {
      chain.push_back(node);
      for (const int next : nodes_[static_cast<size_t>(node)].depends_on) {
        if (position[static_cast<size_t>(next)] < 0) {
          node = next;
          break;
        }
      }
    }
    chain.erase(chain.begin(), std::find(chain.begin(), chain.end(), node));
    chain.push_back(node);
    return absl::FailedPreconditionError(absl::StrCat(
        "Cycle dependency detected: ",
        absl::StrJoin(chain, " -> ", [this](std::string* out, int n) {
          absl::StrAppend(out, LabelOf(n));
        })));
  }

  const Workspace& workspace_;
  std::vector<TaskNode> nodes_;
  std::map<std::pair<int, std::string>, int> index_;
};

}  // namespace

std::vector<std::pair<int, const workspace::Task*>> ResolveDependsOn(
    const Workspace& workspace, int package,
    const workspace::DependsOn& depends) {
  std::vector<std::pair<int, const Task*>> out;
  auto add = [&](int target) {
    const Task* task = FindTask(workspace, target, depends.task);
    if (task != nullptr) {
      out.emplace_back(target, task);
    }
  };
  if (!depends.from.empty()) {
    for (const workspace::DependencyEdge& edge :
         PackageAt(workspace, package).dependencies) {
      if (std::find(depends.from.begin(), depends.from.end(), edge.field) !=
          depends.from.end()) {
        add(edge.package);
      }
    }
  } else if (!depends.package.has_value()) {
    add(package);
  } else {
    for (size_t i = 0; i < workspace.packages.size(); ++i) {
      if (workspace.packages[i].name == *depends.package) {
        add(static_cast<int>(i));
      }
    }
  }
  return out;
}

absl::StatusOr<std::vector<TaskNode>> MakeTaskGraph(
    const Workspace& workspace, const std::set<int>& packages,
    const std::string& task, const GraphOptions& options) {
  GraphMaker maker(workspace);
  maker.AddSelected(packages, task);
  if (!options.ignore_depends_on) {
    maker.AddDependsOn();
  }
  if (options.parallel) {
    maker.DropEdges();
  }
  return maker.Finish();
}

}  // namespace vt::plan
