// SPDX-License-Identifier: Apache-2.0

#include <map>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"

#include "daemon/base/json_text.h"
#include "daemon/base/path.h"
#include "daemon/plan/task_graph.h"
#include "daemon/run/json_documents.h"

namespace vt::run {
namespace {

using base::JsonObject;

std::string PathOf(const workspace::Package& package) {
  return package.path.empty() ? "." : package.path;
}

std::string PackageJson(const workspace::Workspace& workspace,
                        const workspace::Package& package) {
  JsonObject object;
  if (!package.name.empty()) {
    object.AddString("name", package.name);
  }
  std::map<std::string, std::set<std::string>> by_field;
  for (const workspace::DependencyEdge& edge : package.dependencies) {
    by_field[edge.field].insert(
        PathOf(workspace.packages[static_cast<size_t>(edge.package)]));
  }
  for (const auto& [field, paths] : by_field) {
    object.Add(field, base::JsonStrings({paths.begin(), paths.end()}));
  }
  return object.Text();
}

std::string TaskJson(const workspace::Workspace& workspace, int index,
                     const workspace::Task& task) {
  const workspace::Package& package =
      workspace.packages[static_cast<size_t>(index)];
  JsonObject object;
  object.AddString("package", PathOf(package));
  object.AddString("name", task.name);
  object.Add("command", task.is_array || task.commands.size() != 1
                            ? base::JsonStrings(task.commands)
                            : base::JsonString(task.commands[0]));
  if (task.cwd != package.directory) {
    const auto inside = base::RelativeTo(task.cwd, workspace.root);
    object.AddString("cwd", !inside.has_value() ? task.cwd
                            : inside->empty()   ? "."
                                                : *inside);
  }
  std::set<std::string> depends_on;
  for (const workspace::DependsOn& entry : task.depends_on) {
    for (const auto& [owner, other] :
         plan::ResolveDependsOn(workspace, index, entry)) {
      depends_on.insert(TaskId(
          workspace.packages[static_cast<size_t>(owner)].path, other->name));
    }
  }
  if (!depends_on.empty()) {
    object.Add("dependsOn",
               base::JsonStrings({depends_on.begin(), depends_on.end()}));
  }
  return object.Text();
}

}  // namespace

std::string TaskId(const std::string& package_path, const std::string& task) {
  const auto escape = [](const std::string& part) {
    return absl::StrReplaceAll(part, {{"%", "%25"}, {"#", "%23"}});
  };
  return package_path.empty()
             ? escape(task)
             : absl::StrCat(escape(package_path), "#", escape(task));
}

std::string TaskGraphJson(const workspace::Workspace& workspace,
                          const std::string& schema) {
  JsonObject packages;
  // By ID, so that the document is the same whatever the order of packages.
  std::map<std::string, std::string> by_id;
  for (size_t i = 0; i < workspace.packages.size(); ++i) {
    const workspace::Package& package = workspace.packages[i];
    packages.Add(PathOf(package), PackageJson(workspace, package));
    for (const auto& [name, task] : package.tasks) {
      by_id[TaskId(package.path, name)] =
          TaskJson(workspace, static_cast<int>(i), task);
    }
  }
  JsonObject tasks;
  for (const auto& [id, json] : by_id) {
    tasks.Add(id, json);
  }
  JsonObject document = JsonObject::Document(schema);
  document.AddString("workspaceRoot", workspace.root);
  document.Add("packages", packages.Text());
  document.Add("tasks", tasks.Text());
  return absl::StrCat(document.Text(), "\n");
}

}  // namespace vt::run
