// SPDX-License-Identifier: Apache-2.0

#include "daemon/migrate/turbo.h"

#include <algorithm>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/strip.h"

#include "daemon/base/status.h"
#include "daemon/migrate/members.h"

namespace vt::migrate {
namespace {

using base::Json;

// The settings of one task, key by key: those of a package's turbo.json replace
// the root's.
using Settings = Members;

const Json* TasksOf(const Json& turbo) {
  const Json* tasks = turbo.Find("tasks");
  return tasks != nullptr ? tasks : turbo.Find("pipeline");
}

bool IsTrue(const Settings& settings, const char* key) {
  const auto found = settings.find(key);
  return found != settings.end() && found->second->is_bool() &&
         found->second->boolean;
}

// Keys of a task that need no word, or have one of their own.
bool IsKnown(absl::string_view key) {
  for (const char* known :
       {"dependsOn", "env", "passThroughEnv", "outputs", "inputs", "cache",
        "persistent", "interactive", "dotEnv", "description", "extends"}) {
    if (key == known) {
      return true;
    }
  }
  return false;
}

class Converter {
 public:
  explicit Converter(const Project& project) : project_(project) {}

  absl::StatusOr<std::optional<Converted>> Convert();

 private:
  void ReadGlobals(const Json& turbo);
  void ConvertPackage(int package, const Json& root, const Json* own);
  Settings SettingsOf(int package, const std::string& task, const Json& root,
                      const Json* own) const;
  NewTask ConvertTask(int package, const std::string& name,
                      const Settings& settings);
  void AddDependsOn(int package, const std::vector<std::string>& entries,
                    NewTask* task);
  void AddEnv(const Settings& settings, NewTask* task) const;
  static void AddFiles(const std::vector<std::string>& patterns,
                       const char* what, NewTask* task,
                       std::vector<Exclusion>* exclusions);

  const Project& project_;
  std::vector<std::string> global_env_;
  std::vector<std::string> global_untracked_;
  Converted out_;
};

absl::StatusOr<std::optional<Converted>> Converter::Convert() {
  VT_ASSIGN_OR_RETURN(const std::optional<Json> root,
                      project_.Read("turbo.json"));
  if (!root.has_value()) {
    return std::nullopt;
  }
  out_.read.emplace_back("turbo.json");
  ReadGlobals(*root);
  for (int i = 0; i < project_.size(); ++i) {
    std::optional<Json> own;
    if (!project_.package(i).path.empty()) {
      const std::string file = project_.FileOf(i, "turbo.json");
      VT_ASSIGN_OR_RETURN(own, project_.Read(file));
      if (own.has_value()) {
        out_.read.push_back(file);
      }
    }
    ConvertPackage(i, *root, own.has_value() ? &*own : nullptr);
  }
  return std::move(out_);
}

void Converter::ReadGlobals(const Json& turbo) {
  std::vector<std::string>& notes = out_.notes;
  for (const base::JsonMember& member : turbo.members) {
    const std::string& key = member.key;
    if (key == "globalEnv") {
      global_env_ = Strings(&member.value);
    } else if (key == "globalPassThroughEnv") {
      global_untracked_ = Strings(&member.value);
    } else if (key == "globalDependencies" || key == "globalDotEnv") {
      for (const std::string& entry : Strings(&member.value)) {
        if (absl::StartsWith(entry, "$")) {
          global_env_.push_back(entry.substr(1));  // of the first versions
        }
      }
      notes.push_back(absl::StrCat(
          "`", key,
          "` is left out: a file counts for the tasks that read it, "
          "which is found by watching them"));
    } else if (key == "cacheDir") {
      notes.push_back(
          "`cacheDir` is left out: one cache serves all clones; "
          "VT_CACHE_DIR moves it");
    } else if (key == "remoteCache") {
      notes.push_back("`remoteCache` is left out: there is no remote cache");
    } else if (key == "concurrency") {
      notes.push_back(
          "`concurrency` is left out: use `vt run --concurrency-limit` or "
          "VT_RUN_CONCURRENCY_LIMIT");
    } else if (key != "$schema" && key != "tasks" && key != "pipeline" &&
               key != "extends") {
      notes.push_back(absl::StrCat("`", key, "` has no equivalent"));
    }
  }
}

Settings Converter::SettingsOf(int package, const std::string& task,
                               const Json& root, const Json* own) const {
  Settings settings;
  const Json* tasks = TasksOf(root);
  if (tasks == nullptr) {
    return settings;
  }
  const std::string& path = project_.package(package).path;
  // "package#task" replaces "task", as turbo does.
  const Json* found = tasks->Find(
      path.empty() ? absl::StrCat("//#", task)
                   : absl::StrCat(project_.package(package).name, "#", task));
  if (found == nullptr && !path.empty()) {
    found = tasks->Find(task);
  }
  if (found != nullptr && found->is_object()) {
    Merge(found, &settings);
  }
  if (const Json* ours = own != nullptr ? TasksOf(*own) : nullptr;
      ours != nullptr && ours->Find(task) != nullptr &&
      ours->Find(task)->is_object()) {
    Merge(ours->Find(task), &settings);
  }
  return settings;
}

void Converter::ConvertPackage(int package, const Json& root, const Json* own) {
  NewConfig config;
  for (const workspace::Task& script :
       project_.Source(package).manifest.scripts) {
    const std::string& name = script.name;
    const Settings settings = SettingsOf(package, name, root, own);
    const Json* tasks = TasksOf(root);
    const Json* ours = own != nullptr ? TasksOf(*own) : nullptr;
    const std::string& path = project_.package(package).path;
    const auto has = [&name](const Json* all, const std::string& key) {
      return all != nullptr && all->Find(key) != nullptr;
    };
    const bool is_task =
        path.empty()
            ? has(tasks, absl::StrCat("//#", name))
            : has(tasks, name) || has(ours, name) ||
                  has(tasks,
                      absl::StrCat(project_.package(package).name, "#", name));
    if (is_task) {
      config.tasks.push_back(ConvertTask(package, name, settings));
    } else if (absl::StrContains(script.commands[0], "turbo ")) {
      out_.notes.push_back(
          absl::StrCat(project_.FileOf(package, "package.json"), ": script `",
                       name, "` calls turbo (", script.commands[0],
                       "): call `vt run` there; `-r` is every package"));
    }
  }
  if (!config.tasks.empty()) {
    out_.configs[package] = std::move(config);
  }
}

NewTask Converter::ConvertTask(int package, const std::string& name,
                               const Settings& settings) {
  NewTask task = project_.TaskOfScript(package, name);
  const auto find = [&](const char* key) -> const Json* {
    const auto found = settings.find(key);
    return found == settings.end() ? nullptr : found->second;
  };
  AddEnv(settings, &task);
  AddDependsOn(package, Strings(find("dependsOn")), &task);
  AddFiles(Strings(find("inputs")), "inputs", &task, &task.not_input);
  AddFiles(Strings(find("outputs")), "outputs", &task, &task.not_output);
  const Json* cache = find("cache");
  task.cached = cache == nullptr || !cache->is_bool() || cache->boolean;
  if (IsTrue(settings, "persistent") || IsTrue(settings, "interactive")) {
    task.cached = false;  // never ends, or asks its user
  }
  for (const auto& [key, value] : settings) {
    if (!IsKnown(key)) {
      task.notes.push_back(absl::StrCat(
          "`", key, "` has no equivalent",
          key == "outputLogs" || key == "outputMode" ? "; see `vt run --log`"
                                                     : ""));
    }
  }
  return task;
}

void Converter::AddEnv(const Settings& settings, NewTask* task) const {
  task->env = global_env_;
  task->untracked_env = global_untracked_;
  const auto append = [&](const char* key, std::vector<std::string>* out) {
    if (const auto found = settings.find(key); found != settings.end()) {
      for (std::string& name : Strings(found->second)) {
        out->push_back(std::move(name));
      }
    }
  };
  append("env", &task->env);
  append("passThroughEnv", &task->untracked_env);
}

void Converter::AddDependsOn(int package,
                             const std::vector<std::string>& entries,
                             NewTask* task) {
  for (const std::string& entry : entries) {
    absl::string_view name = entry;
    const size_t hash = entry.rfind('#');
    if (absl::ConsumePrefix(&name, "^")) {
      task->depends_on.push_back({std::string(name), true});
    } else if (absl::ConsumePrefix(&name, "$")) {
      task->env.emplace_back(name);  // of the first versions
    } else if (hash != std::string::npos) {
      const std::string owner = entry.substr(0, hash);
      const std::string script = entry.substr(hash + 1);
      const int index =
          owner == "//" ? project_.PackageAt("") : project_.PackageNamed(owner);
      if (index >= 0 && project_.Script(index, script) != nullptr) {
        task->depends_on.push_back(
            {project_.Reference(index, script, package), false});
      } else {
        task->notes.push_back(
            absl::StrCat("dependsOn `", entry, "`: there is no such task"));
      }
    } else if (project_.Script(package, entry) != nullptr) {
      // Turbo passes over what a package does not have.
      task->depends_on.push_back({entry, false});
    }
  }
}

void Converter::AddFiles(const std::vector<std::string>& patterns,
                         const char* what, NewTask* task,
                         std::vector<Exclusion>* exclusions) {
  bool dropped = false;
  for (const std::string& text : patterns) {
    absl::string_view pattern = text;
    const bool negative = absl::ConsumePrefix(&pattern, "!");
    const bool from_root = absl::ConsumePrefix(&pattern, "$TURBO_ROOT$/");
    if (negative) {
      exclusions->push_back({std::string(pattern), from_root});
    } else {
      dropped = dropped || !absl::StartsWith(text, "$TURBO_DEFAULT$");
    }
  }
  if (dropped) {
    task->notes.push_back(
        absl::StrCat("`", what, "` left out: what the task ",
                     absl::string_view(what) == "inputs" ? "reads" : "writes",
                     " is found by watching it"));
  }
}

}  // namespace

absl::StatusOr<std::optional<Converted>> ConvertTurbo(const Project& project) {
  return Converter(project).Convert();
}

}  // namespace vt::migrate
