// SPDX-License-Identifier: Apache-2.0

#include "daemon/migrate/nx.h"

#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"

#include "daemon/base/path.h"
#include "daemon/base/status.h"
#include "daemon/migrate/members.h"
#include "daemon/migrate/nx_command.h"
#include "daemon/migrate/nx_inputs.h"
#include "daemon/migrate/nx_project.h"

namespace vt::migrate {
namespace {

using base::Json;

class Converter {
 public:
  explicit Converter(const Project& project) : project_(project) {}

  absl::StatusOr<std::optional<Converted>> Convert();

 private:
  void ReadGlobals();
  void ConvertProject(const NxProject& project);
  Members TargetOf(const NxProject& project, const std::string& name) const;
  std::set<std::string> TargetNames(const NxProject& project) const;
  NewTask ConvertTarget(const NxProject& project, const std::string& name,
                        const Members& target);
  void AddDependsOn(const NxProject& project, const Json* entries,
                    NewTask* task) const;
  void AddDependency(const NxProject& from, const std::string& project,
                     const std::string& target, NewTask* task) const;
  bool IsCached(const std::string& name, const Members& target) const;
  NamedInputs NamedInputsOf(const NxProject& project) const;
  const NxProject* ProjectNamed(absl::string_view name) const;
  // The name of the task that `target` of `project` becomes.
  std::string TaskName(const NxProject& project,
                       const std::string& target) const {
    return project.package >= 0 ? target
                                : absl::StrCat(project.name, ":", target);
  }

  const Project& project_;
  std::optional<Json> nx_;
  std::vector<NxProject> projects_;
  std::set<std::string> cacheable_;  // of tasksRunnerOptions
  Converted out_;
};

absl::StatusOr<std::optional<Converted>> Converter::Convert() {
  VT_ASSIGN_OR_RETURN(nx_, project_.Read("nx.json"));
  VT_ASSIGN_OR_RETURN(projects_, FindNxProjects(project_));
  const bool has_projects = std::any_of(
      projects_.begin(), projects_.end(),
      [](const NxProject& p) { return p.project_json.has_value(); });
  if (!nx_.has_value() && !has_projects) {
    return std::nullopt;
  }
  if (nx_.has_value()) {
    out_.read.emplace_back("nx.json");
    ReadGlobals();
  }
  for (const NxProject& project : projects_) {
    if (project.project_json.has_value()) {
      out_.read.push_back(project.path.empty()
                              ? "project.json"
                              : base::JoinPath(project.path, "project.json"));
    }
    ConvertProject(project);
  }
  return std::move(out_);
}

void Converter::ReadGlobals() {
  for (const base::JsonMember& member : nx_->members) {
    const std::string& key = member.key;
    if (key == "tasksRunnerOptions") {
      const Json* options = member.value.Find("default");
      options = options != nullptr ? options->Find("options") : nullptr;
      if (options != nullptr) {
        for (std::string& name :
             Strings(options->Find("cacheableOperations"))) {
          cacheable_.insert(std::move(name));
        }
      }
    } else if (key == "plugins") {
      out_.notes.emplace_back(
          "`plugins` of nx.json: tasks that plugins infer from the files of "
          "other tools are not known here; add them by hand");
    } else if (key == "parallel") {
      out_.notes.emplace_back(
          "`parallel` of nx.json: use `vt run --concurrency-limit` or "
          "VT_RUN_CONCURRENCY_LIMIT");
    } else if (key == "defaultBase" || key == "affected") {
      out_.notes.emplace_back(
          "`nx affected`: use a filter such as `vt run -F '...[main]' build`");
    } else if (key != "$schema" && key != "extends" && key != "npmScope" &&
               key != "namedInputs" && key != "targetDefaults" &&
               key != "targetDependencies" && key != "workspaceLayout") {
      out_.notes.push_back(absl::StrCat("`", key,
                                        "` of nx.json has no "
                                        "equivalent"));
    }
  }
}

const NxProject* Converter::ProjectNamed(absl::string_view name) const {
  for (const NxProject& project : projects_) {
    if (project.name == name ||
        (project.package >= 0 &&
         project_.package(project.package).name == name)) {
      return &project;
    }
  }
  return nullptr;
}

std::set<std::string> Converter::TargetNames(const NxProject& project) const {
  std::set<std::string> names;
  const auto add = [&names](const std::optional<Json>& from) {
    const Json* targets = from.has_value() ? from->Find("targets") : nullptr;
    if (targets != nullptr) {
      for (const base::JsonMember& member : targets->members) {
        names.insert(member.key);
      }
    }
  };
  add(project.project_json);
  add(project.manifest_nx);
  // Scripts are targets, too; those without settings stay scripts.
  const Json* defaults =
      nx_.has_value() ? nx_->Find("targetDefaults") : nullptr;
  if (project.package >= 0) {
    for (const workspace::Task& script :
         project_.Source(project.package).manifest.scripts) {
      if ((defaults != nullptr && defaults->Find(script.name) != nullptr) ||
          cacheable_.count(script.name) != 0) {
        names.insert(script.name);
      }
    }
  }
  return names;
}

Members Converter::TargetOf(const NxProject& project,
                            const std::string& name) const {
  Members own;
  for (const std::optional<Json>* from :
       {&project.manifest_nx, &project.project_json}) {
    const Json* targets =
        from->has_value() ? (*from)->Find("targets") : nullptr;
    Merge(targets != nullptr ? targets->Find(name) : nullptr, &own);
  }
  Members target;
  if (const Json* defaults =
          nx_.has_value() ? nx_->Find("targetDefaults") : nullptr;
      defaults != nullptr) {
    // Those of the executor win over those of the name, as in Nx.
    const Json* by_executor = defaults->Find(TextOf(Get(own, "executor")));
    Merge(by_executor != nullptr ? by_executor : defaults->Find(name), &target);
  }
  for (const auto& [key, value] : own) {
    target[key] = value;
  }
  return target;
}

NamedInputs Converter::NamedInputsOf(const NxProject& project) const {
  NamedInputs named;
  const auto add = [&named](const std::optional<Json>& from) {
    Members sets;
    Merge(from.has_value() ? from->Find("namedInputs") : nullptr, &sets);
    for (const auto& [name, value] : sets) {
      named[name] = value;
    }
  };
  add(nx_);
  add(project.manifest_nx);
  add(project.project_json);
  return named;
}

void Converter::ConvertProject(const NxProject& project) {
  const int package =
      project.package >= 0 ? project.package : project_.PackageAt("");
  NewConfig config;
  for (const std::string& name : TargetNames(project)) {
    const Members target = TargetOf(project, name);
    NewTask task = ConvertTarget(project, name, target);
    if (!task.commands.empty() || !task.depends_on.empty()) {
      config.tasks.push_back(std::move(task));
    } else {
      out_.notes.push_back(absl::StrCat(
          project.name, ": target `", name, "` (",
          TextOf(Get(target, "executor")),
          ") left out: its executor has no command that is known"));
    }
  }
  if (!config.tasks.empty()) {
    NewConfig& whole = out_.configs[package];
    std::move(config.tasks.begin(), config.tasks.end(),
              std::back_inserter(whole.tasks));
  }
}

bool Converter::IsCached(const std::string& name, const Members& target) const {
  const Json* cache = Get(target, "cache");
  const Json* continuous = Get(target, "continuous");
  if (continuous != nullptr && continuous->is_bool() && continuous->boolean) {
    return false;
  }
  return cache != nullptr && cache->is_bool() ? cache->boolean
                                              : cacheable_.count(name) != 0;
}

NewTask Converter::ConvertTarget(const NxProject& project,
                                 const std::string& name,
                                 const Members& target) {
  NewTask task;
  task.name = TaskName(project, name);
  if (!AddNxCommand(project_, project, target, &task)) {
    // A target without executor is the script of that name, or nothing but its
    // dependencies.
    const bool has_script = project.package >= 0 &&
                            project_.Script(project.package, name) != nullptr;
    if (has_script && TextOf(Get(target, "executor")).empty()) {
      task = project_.TaskOfScript(project.package, name);
    }
  }
  if (project.package >= 0 &&
      project_.Script(project.package, name) != nullptr) {
    task.replaces = name;
  }
  if (project.package < 0 && task.cwd.empty()) {
    task.cwd = project.path;
  }
  task.cached = IsCached(name, target);
  AddNxInputs(Get(target, "inputs"), NamedInputsOf(project), &task);
  AddNxOutputs(Get(target, "outputs"), &task);
  if (project.package < 0) {
    // Patterns are relative to the package, which is the root here.
    for (std::vector<Exclusion>* all : {&task.not_input, &task.not_output}) {
      for (Exclusion& exclusion : *all) {
        exclusion = {exclusion.from_root
                         ? exclusion.pattern
                         : base::JoinPath(project.path, exclusion.pattern),
                     true};
      }
    }
  }
  AddDependsOn(project, Get(target, "dependsOn"), &task);
  for (const char* key : {"configurations", "parallelism", "syncGenerators"}) {
    if (Get(target, key) != nullptr) {
      task.notes.push_back(absl::StrCat("`", key, "` has no equivalent"));
    }
  }
  return task;
}

// "target", "^target", "project:target", { target, projects, dependencies }.
void Converter::AddDependsOn(const NxProject& project, const Json* entries,
                             NewTask* task) const {
  if (entries == nullptr) {
    return;
  }
  for (const Json& entry : entries->items) {
    if (entry.is_string()) {
      absl::string_view text = entry.text;
      if (absl::ConsumePrefix(&text, "^")) {
        AddDependency(project, "^", std::string(text), task);
      } else if (const size_t colon = text.find(':');
                 colon != absl::string_view::npos &&
                 ProjectNamed(text.substr(0, colon)) != nullptr) {
        AddDependency(project, std::string(text.substr(0, colon)),
                      std::string(text.substr(colon + 1)), task);
      } else {
        AddDependency(project, "", std::string(text), task);
      }
      continue;
    }
    const std::string target = TextOf(entry.Find("target"));
    const Json* projects = entry.Find("projects");
    const Json* dependencies = entry.Find("dependencies");
    const bool of_dependencies =
        (dependencies != nullptr && dependencies->is_bool() &&
         dependencies->boolean) ||
        TextOf(projects) == "dependencies";
    if (target.empty()) {
      continue;
    }
    if (of_dependencies) {
      AddDependency(project, "^", target, task);
    } else if (projects == nullptr || TextOf(projects) == "self") {
      AddDependency(project, "", target, task);
    } else {
      for (const std::string& name : Strings(projects)) {
        AddDependency(project, name, target, task);
      }
    }
    if (entry.Find("params") != nullptr) {
      task->notes.push_back(absl::StrCat("`params` of dependsOn `", target,
                                         "` has no equivalent"));
    }
  }
}

void Converter::AddDependency(const NxProject& from, const std::string& project,
                              const std::string& target, NewTask* task) const {
  if (project == "^") {
    if (from.package < 0) {
      task->notes.push_back(absl::StrCat(
          "dependsOn `^", target,
          "`: without a package.json there are no dependencies; name the "
          "tasks"));
      return;
    }
    task->depends_on.push_back({target, true});
    return;
  }
  const NxProject* owner = project.empty() ? &from : ProjectNamed(project);
  if (owner == nullptr) {
    task->notes.push_back(absl::StrCat("dependsOn `", project, ":", target,
                                       "`: there is no such project"));
    return;
  }
  const int package =
      owner->package >= 0 ? owner->package : project_.PackageAt("");
  const bool exists = TargetNames(*owner).count(target) != 0 ||
                      (owner->package >= 0 &&
                       project_.Script(owner->package, target) != nullptr);
  if (exists) {
    task->depends_on.push_back(
        {project_.Reference(
             package, TaskName(*owner, target),
             from.package >= 0 ? from.package : project_.PackageAt("")),
         false});
  }
}

}  // namespace

absl::StatusOr<std::optional<Converted>> ConvertNx(const Project& project) {
  return Converter(project).Convert();
}

}  // namespace vt::migrate
