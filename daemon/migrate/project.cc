// SPDX-License-Identifier: Apache-2.0

#include "daemon/migrate/project.h"

#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"

#include "daemon/base/file.h"
#include "daemon/base/path.h"
#include "daemon/base/status.h"

namespace vt::migrate {

using base::Json;

Project::Project(workspace::Sources sources) : sources_(std::move(sources)) {
  for (int i = 0; i < size(); ++i) {
    if (!package(i).name.empty()) {
      by_name_.emplace(package(i).name, i);
    }
  }
}

int Project::PackageNamed(absl::string_view name) const {
  const auto found = by_name_.find(std::string(name));
  return found == by_name_.end() ? -1 : found->second;
}

int Project::PackageAt(absl::string_view path) const {
  for (int i = 0; i < size(); ++i) {
    if (package(i).path == path) {
      return i;
    }
  }
  return -1;
}

const std::string* Project::Script(int package, const std::string& name) const {
  for (const workspace::Task& script : Source(package).manifest.scripts) {
    if (script.name == name && !script.commands.empty()) {
      return &script.commands[0];
    }
  }
  return nullptr;
}

std::string Project::FileOf(int package, absl::string_view name) const {
  const std::string& path = this->package(package).path;
  return path.empty() ? std::string(name) : base::JoinPath(path, name);
}

absl::StatusOr<std::optional<Json>> Project::Read(
    const std::string& file) const {
  const std::string path = base::JoinPath(root(), file);
  absl::StatusOr<std::string> text = base::ReadFile(path);
  if (absl::IsNotFound(text.status())) {
    return std::nullopt;
  }
  VT_RETURN_IF_ERROR(text.status());
  VT_ASSIGN_OR_RETURN(Json json,
                      ParseJson(*text, base::JsonDialect::kRelaxed, path));
  if (!json.is_object()) {
    return absl::InvalidArgumentError(
        absl::StrCat(path, ": expected an object, found ", Describe(json)));
  }
  return json;
}

std::string Project::Reference(int package, absl::string_view task,
                               int from) const {
  return package == from ? std::string(task)
                         : absl::StrCat(this->package(package).name, "#", task);
}

NewTask Project::TaskOfScript(int package, const std::string& name) const {
  NewTask task;
  task.name = name;
  task.replaces = name;
  for (const std::string& script :
       {absl::StrCat("pre", name), name, absl::StrCat("post", name)}) {
    if (const std::string* text = Script(package, script)) {
      task.commands.push_back(*text);
    }
  }
  if (task.commands.size() > 1) {
    task.notes.push_back("with the scripts that npm runs before and after it");
  }
  return task;
}

std::string WithEnv(
    const std::string& command,
    const std::vector<std::pair<std::string, std::string>>& env) {
  if (env.empty()) {
    return command;
  }
  std::string assignments;
  for (const auto& [name, value] : env) {
    absl::StrAppend(&assignments, assignments.empty() ? "" : " ", name, "='",
                    absl::StrReplaceAll(value, {{"'", "'\\''"}}), "'");
  }
  // An assignment before a command holds for that command alone.
  const bool is_list =
      command.find_first_of("&|;()<>$`\n") != std::string::npos;
  return is_list ? absl::StrCat("export ", assignments, " && ", command)
                 : absl::StrCat(assignments, " ", command);
}

std::vector<std::string> Strings(const Json* value) {
  std::vector<std::string> strings;
  if (value != nullptr && value->is_string()) {
    strings.push_back(value->text);
  } else if (value != nullptr && value->is_array()) {
    for (const Json& item : value->items) {
      if (item.is_string()) {
        strings.push_back(item.text);
      }
    }
  }
  return strings;
}

}  // namespace vt::migrate
