// SPDX-License-Identifier: Apache-2.0

#include "daemon/migrate/wireit.h"

#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"

#include "daemon/base/path.h"
#include "daemon/base/status.h"

namespace vt::migrate {
namespace {

using base::Json;

class Converter {
 public:
  explicit Converter(const Project& project) : project_(project) {}

  absl::StatusOr<std::optional<Converted>> Convert();

 private:
  NewTask ConvertScript(int package, const std::string& name,
                        const Json& settings);
  void AddDependency(int package, const Json& entry, NewTask* task);
  void AddEnv(const Json* env, NewTask* task) const;
  static void AddFiles(const Json* patterns, const char* what, NewTask* task,
                       std::vector<Exclusion>* exclusions);
  // Whether `script` of `package` runs until somebody stops it.
  bool IsService(int package, const std::string& script) const;

  const Project& project_;
  std::vector<std::optional<Json>> wireit_;  // by package
  Converted out_;
};

absl::StatusOr<std::optional<Converted>> Converter::Convert() {
  bool found = false;
  for (int i = 0; i < project_.size(); ++i) {
    VT_ASSIGN_OR_RETURN(const std::optional<Json> manifest,
                        project_.Read(project_.FileOf(i, "package.json")));
    const Json* wireit =
        manifest.has_value() ? manifest->Find("wireit") : nullptr;
    const bool has = wireit != nullptr && wireit->is_object();
    wireit_.push_back(has ? std::optional<Json>(*wireit) : std::nullopt);
    found = found || has;
  }
  if (!found) {
    return std::nullopt;
  }
  for (int i = 0; i < project_.size(); ++i) {
    const std::optional<Json>& wireit = wireit_[static_cast<size_t>(i)];
    if (!wireit.has_value()) {
      continue;
    }
    out_.read.push_back(project_.FileOf(i, "package.json"));
    NewConfig config;
    for (const base::JsonMember& member : wireit->members) {
      if (member.value.is_object()) {
        config.tasks.push_back(ConvertScript(i, member.key, member.value));
      }
    }
    if (!config.tasks.empty()) {
      out_.configs[i] = std::move(config);
    }
  }
  out_.notes.emplace_back(
      "the field `wireit` of package.json can go when you are content; "
      "`npm run` does not start these tasks, `vt run` does");
  return std::move(out_);
}

bool Converter::IsService(int package, const std::string& script) const {
  const std::optional<Json>& wireit = wireit_[static_cast<size_t>(package)];
  const Json* settings = wireit.has_value() ? wireit->Find(script) : nullptr;
  const Json* service =
      settings != nullptr ? settings->Find("service") : nullptr;
  return service != nullptr &&
         (service->is_object() || (service->is_bool() && service->boolean));
}

NewTask Converter::ConvertScript(int package, const std::string& name,
                                 const Json& settings) {
  NewTask task;
  task.name = name;
  if (project_.Script(package, name) != nullptr) {
    task.replaces = name;
  }
  AddEnv(settings.Find("env"), &task);
  if (const Json* command = settings.Find("command");
      command != nullptr && command->is_string()) {
    std::vector<std::pair<std::string, std::string>> fixed;
    if (const Json* env = settings.Find("env"); env != nullptr) {
      for (const base::JsonMember& member : env->members) {
        if (member.value.is_string()) {
          fixed.emplace_back(member.key, member.value.text);
        }
      }
    }
    task.commands = {WithEnv(command->text, fixed)};
  }
  if (const Json* dependencies = settings.Find("dependencies");
      dependencies != nullptr) {
    for (const Json& entry : dependencies->items) {
      AddDependency(package, entry, &task);
    }
  }
  AddFiles(settings.Find("files"), "files", &task, &task.not_input);
  AddFiles(settings.Find("output"), "output", &task, &task.not_output);
  if (IsService(package, name)) {
    task.cached = false;
    task.notes.emplace_back(
        "a service: it runs until you stop it; what waits for it to be ready "
        "has no equivalent");
  } else if (settings.Find("files") == nullptr && !task.commands.empty()) {
    task.notes.emplace_back(
        "without `files` wireit never cached it; add `\"cache\": false` if "
        "that was on purpose");
  }
  for (const char* key : {"clean", "packageLocks", "allowUsuallyExcludedPaths",
                          "incremental", "cascade"}) {
    if (settings.Find(key) != nullptr) {
      task.notes.push_back(absl::StrCat("`", key, "` has no equivalent",
                                        absl::string_view(key) == "packageLocks"
                                            ? ": what is read is found by "
                                              "watching the task"
                                            : ""));
    }
  }
  return task;
}

// "script", "../package:script", or an object with `script`.
void Converter::AddDependency(int package, const Json& entry, NewTask* task) {
  const Json* inner = entry.is_object() ? entry.Find("script") : &entry;
  if (inner == nullptr || !inner->is_string()) {
    return;
  }
  const std::string& text = inner->text;
  if (const Json* cascade = entry.is_object() ? entry.Find("cascade") : nullptr;
      cascade != nullptr && cascade->is_bool() && !cascade->boolean) {
    task->notes.push_back(absl::StrCat(
        "`cascade: false` of `", text,
        "` has no equivalent: only files that are read count anyway"));
  }
  int owner = package;
  std::string script = text;
  if (absl::StartsWith(text, ".")) {
    const size_t colon = text.find(':');
    const std::string directory = base::NormalizePath(base::JoinPath(
        project_.package(package).directory, text.substr(0, colon)));
    const auto path = base::RelativeTo(directory, project_.root());
    owner = path.has_value() ? project_.PackageAt(*path) : -1;
    script = colon == std::string::npos ? "" : text.substr(colon + 1);
  }
  const bool exists =
      owner >= 0 &&
      (project_.Script(owner, script) != nullptr ||
       (wireit_[static_cast<size_t>(owner)].has_value() &&
        wireit_[static_cast<size_t>(owner)]->Find(script) != nullptr));
  if (!exists) {
    task->notes.push_back(
        absl::StrCat("dependency `", text, "`: there is no such task"));
  } else if (IsService(owner, script)) {
    task->notes.push_back(
        absl::StrCat("dependency `", text,
                     "` left out: it is a service and never ends; start it "
                     "beside this task"));
  } else {
    task->depends_on.push_back(
        {project_.Reference(owner, script, package), false});
  }
}

void Converter::AddEnv(const Json* env, NewTask* task) const {
  if (env == nullptr) {
    return;
  }
  for (const base::JsonMember& member : env->members) {
    if (!member.value.is_object()) {
      continue;  // a fixed value: part of the command
    }
    task->env.push_back(member.key);
    if (member.value.Find("default") != nullptr) {
      task->notes.push_back(
          absl::StrCat("the default of `", member.key, "` has no equivalent"));
    }
  }
}

void Converter::AddFiles(const Json* patterns, const char* what, NewTask* task,
                         std::vector<Exclusion>* exclusions) {
  bool dropped = false;
  for (const std::string& pattern : Strings(patterns)) {
    if (absl::StartsWith(pattern, "!")) {
      exclusions->push_back({pattern.substr(1), false});
    } else {
      dropped = true;
    }
  }
  if (dropped) {
    task->notes.push_back(
        absl::StrCat("`", what, "` left out: what the task ",
                     absl::string_view(what) == "files" ? "reads" : "writes",
                     " is found by watching it"));
  }
}

}  // namespace

absl::StatusOr<std::optional<Converted>> ConvertWireit(const Project& project) {
  return Converter(project).Convert();
}

}  // namespace vt::migrate
