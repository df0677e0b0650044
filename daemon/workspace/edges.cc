// SPDX-License-Identifier: Apache-2.0

#include "daemon/workspace/edges.h"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/strip.h"

#include "daemon/base/path.h"
#include "daemon/base/status.h"
#include "daemon/base/suggest.h"
#include "daemon/workspace/semver.h"

namespace vt::workspace {
namespace {

std::string PathOrDot(const Package& package) {
  return package.path.empty() ? "." : package.path;
}

// Thread-compatible.
class EdgeFinder {
 public:
  EdgeFinder(bool all_edges, std::vector<Package>* packages)
      : all_edges_(all_edges),
        packages_(*packages) {
    for (size_t i = 0; i < packages_.size(); ++i) {
      if (!packages_[i].name.empty()) {
        by_name_[packages_[i].name].push_back(static_cast<int>(i));
      }
      by_directory_[packages_[i].directory] = static_cast<int>(i);
    }
  }

  absl::Status Add(int from, const DeclaredDependency& dependency) {
    std::string rule;
    VT_ASSIGN_OR_RETURN(const int target, Target(from, dependency, &rule));
    if (target < 0 || target == from) {
      return absl::OkStatus();
    }
    std::vector<DependencyEdge>& edges =
        packages_[static_cast<size_t>(from)].dependencies;
    for (const DependencyEdge& edge : edges) {
      if (edge.package == target && edge.field == dependency.field) {
        return absl::OkStatus();
      }
    }
    edges.push_back({target, dependency.field, std::move(rule)});
    return absl::OkStatus();
  }

 private:
  // Index of the package that is meant, -1 for one that is not of the
  // workspace; `rule` says why.
  absl::StatusOr<int> Target(int from, const DeclaredDependency& dependency,
                             std::string* rule) const {
    absl::string_view value = dependency.value;
    if (absl::ConsumePrefix(&value, "workspace:")) {
      *rule = "workspace:";
      if (absl::StartsWith(value, ".")) {
        return ByDirectory(from, value);
      }
      // `workspace:NAME@RANGE`; a scope starts with @, too.
      const size_t at = value.find('@', 1);
      return Unique(at == absl::string_view::npos
                        ? absl::string_view(dependency.name)
                        : value.substr(0, at));
    }
    if (!all_edges_ || dependency.field.empty()) {
      return -1;
    }
    for (const absl::string_view protocol : {"file:", "link:", "portal:"}) {
      if (absl::ConsumePrefix(&value, protocol)) {
        *rule = std::string(protocol);
        return ByDirectory(from, value);
      }
    }
    const auto found = by_name_.find(dependency.name);
    if (found == by_name_.end()) {
      return -1;
    }
    if (absl::StartsWith(value, "catalog:")) {
      *rule = "catalog:";
      return found->second.front();
    }
    *rule = "range";
    for (const int candidate : found->second) {
      if (Satisfies(packages_[static_cast<size_t>(candidate)].version, value)) {
        return candidate;
      }
    }
    return -1;
  }

  int ByDirectory(int from, absl::string_view path) const {
    const auto found = by_directory_.find(base::NormalizePath(
        base::JoinPath(packages_[static_cast<size_t>(from)].directory, path)));
    return found == by_directory_.end() ? -1 : found->second;
  }

  absl::StatusOr<int> Unique(absl::string_view name) const {
    const auto found = by_name_.find(std::string(name));
    if (found == by_name_.end()) {
      return -1;
    }
    if (found->second.size() > 1) {
      return absl::InvalidArgumentError(absl::StrCat(
          "Duplicate package name `", name, "` found at ",
          absl::StrJoin(
              found->second, " and ", [this](std::string* out, int index) {
                absl::StrAppend(
                    out, "`", PathOrDot(packages_[static_cast<size_t>(index)]),
                    "`");
              })));
    }
    return found->second.front();
  }

  const bool all_edges_;
  std::vector<Package>& packages_;
  absl::flat_hash_map<std::string, std::vector<int>> by_name_;
  absl::flat_hash_map<std::string, int> by_directory_;
};

std::vector<std::string> TaskNames(const Package& package) {
  std::vector<std::string> names;
  names.reserve(package.tasks.size());
  for (const auto& [name, task] : package.tasks) {
    names.push_back(name);
  }
  return names;
}

// "" if `depends` of `package` names a task.
std::string WhatIsWrong(const Workspace& workspace, const Package& package,
                        const DependsOn& depends) {
  const Package* target = &package;
  if (depends.package.has_value()) {
    target = nullptr;
    std::vector<std::string> places;
    std::vector<std::string> names;
    for (const Package& candidate : workspace.packages) {
      names.push_back(candidate.name);
      if (candidate.name == *depends.package) {
        target = &candidate;
        places.push_back(PathOrDot(candidate));
      }
    }
    if (target == nullptr) {
      return absl::StrCat("Package '", *depends.package, "' not found",
                          base::DidYouMean(*depends.package, names));
    }
    if (places.size() > 1) {
      return absl::StrCat("Package '", *depends.package,
                          "' is ambiguous among multiple packages: ",
                          absl::StrJoin(places, ", "));
    }
  }
  if (target->tasks.count(depends.task) > 0) {
    return "";
  }
  return absl::StrCat("Task '", depends.task, "' not found in package ",
                      target->name,
                      base::DidYouMean(depends.task, TaskNames(*target)));
}

}  // namespace

absl::Status AddEdges(const std::vector<Manifest>& manifests, bool all_edges,
                      std::vector<Package>* packages) {
  EdgeFinder finder(all_edges, packages);
  for (size_t i = 0; i < manifests.size(); ++i) {
    for (const DeclaredDependency& dependency : manifests[i].dependencies) {
      absl::Status status = finder.Add(static_cast<int>(i), dependency);
      if (!status.ok()) {
        return base::Annotate(
            status, absl::StrCat(manifests[i].file, ": `", dependency.field,
                                 ".", dependency.name, "`"));
      }
    }
  }
  return absl::OkStatus();
}

std::vector<std::string> CheckDependsOn(const Workspace& workspace) {
  std::vector<std::string> errors;
  for (size_t i = 0; i < workspace.packages.size(); ++i) {
    const Package& package = workspace.packages[i];
    for (const auto& [name, task] : package.tasks) {
      for (const DependsOn& depends : task.depends_on) {
        if (!depends.from.empty()) {
          continue;
        }
        const std::string wrong = WhatIsWrong(workspace, package, depends);
        if (wrong.empty()) {
          continue;
        }
        std::string typed = depends.task;
        if (depends.package.has_value()) {
          typed = absl::StrCat(*depends.package, "#", depends.task);
        }
        errors.push_back(absl::StrCat(
            depends.position.ToString(), ": Failed to lookup dependency '",
            typed, "' for task ", workspace.Label(static_cast<int>(i), name),
            "\n* ", wrong));
      }
    }
  }
  return errors;
}

}  // namespace vt::workspace
