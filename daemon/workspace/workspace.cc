// SPDX-License-Identifier: Apache-2.0

#include "daemon/workspace/workspace.h"

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

#include "daemon/base/file.h"
#include "daemon/base/json.h"
#include "daemon/base/path.h"
#include "daemon/base/status.h"
#include "daemon/workspace/config.h"
#include "daemon/workspace/edges.h"
#include "daemon/workspace/manifest.h"
#include "daemon/workspace/sources.h"

namespace vt::workspace {
namespace {

// R-CFG-1.
absl::StatusOr<Config> LoadConfig(const std::string& root,
                                  const Sources::Source& source,
                                  const EvaluatedConfigs& evaluated) {
  const base::Json* run = nullptr;
  if (!source.script.empty()) {
    const auto found = evaluated.find(source.script);
    if (found == evaluated.end()) {
      return absl::FailedPreconditionError(
          absl::StrCat(source.script, " was not evaluated"));
    }
    run = found->second.has_value() ? &*found->second : nullptr;
  }
  if (run != nullptr && !source.json.empty()) {
    return absl::InvalidArgumentError(
        absl::StrCat("both ", source.script, " (field `run`) and ", source.json,
                     " configure the tasks of this package; keep one"));
  }
  if (run != nullptr) {
    return ReadConfig(*run, {source.script, root, source.package.path, "run"});
  }
  if (source.json.empty()) {
    return Config();
  }
  VT_ASSIGN_OR_RETURN(const std::string text, base::ReadFile(source.json));
  VT_ASSIGN_OR_RETURN(
      const base::Json json,
      base::ParseJson(text, base::JsonDialect::kRelaxed, source.json));
  return ReadConfig(json, {source.json, root, source.package.path, ""});
}

// R-CFG-8.
absl::Status AddTasks(const Workspace& workspace, int index, Manifest* manifest,
                      Config* config, Package* package) {
  for (Task& script : manifest->scripts) {
    std::string name = script.name;
    package->tasks.insert_or_assign(std::move(name), std::move(script));
  }
  for (Task& task : config->tasks) {
    std::string name = task.name;
    const Position position = task.position;
    const auto [there, inserted] =
        package->tasks.emplace(std::move(name), std::move(task));
    if (!inserted) {
      return absl::InvalidArgumentError(absl::StrCat(
          position.ToString(), ": Task ", workspace.Label(index, there->first),
          " conflicts with a package.json script of the same name. Remove the "
          "script from package.json or rename the task\n* the script is at ",
          there->second.position.file, ":", there->second.position.line));
    }
  }
  return absl::OkStatus();
}

}  // namespace

std::string Position::ToString() const {
  return line > 0 ? absl::StrCat(file, ":", line, ":", column) : file;
}

int Workspace::PackageOf(absl::string_view directory) const {
  size_t best = 0;
  for (size_t i = 1; i < packages.size(); ++i) {
    if (packages[i].directory.size() >= packages[best].directory.size() &&
        base::IsWithin(directory, packages[i].directory)) {
      best = i;
    }
  }
  return static_cast<int>(best);
}

std::string Workspace::Label(int package, absl::string_view task) const {
  const std::string& name = packages[static_cast<size_t>(package)].name;
  return name.empty() ? std::string(task) : absl::StrCat(name, "#", task);
}

absl::StatusOr<std::shared_ptr<const Workspace>> Assemble(
    Sources sources, const EvaluatedConfigs& evaluated) {
  auto workspace = std::make_shared<Workspace>();
  workspace->root = std::move(sources.root);
  workspace->member_globs = std::move(sources.member_globs);
  workspace->packages.reserve(sources.packages.size());
  std::vector<Manifest> manifests;
  bool all_edges = true;
  for (Sources::Source& source : sources.packages) {
    VT_ASSIGN_OR_RETURN(Config config,
                        LoadConfig(workspace->root, source, evaluated));
    const int index = static_cast<int>(workspace->packages.size());
    if (index == 0) {
      workspace->cache_scripts = config.cache_scripts.value_or(false);
      workspace->cache_tasks = config.cache_tasks.value_or(true);
      workspace->pre_post_scripts = config.pre_post_scripts.value_or(true);
      all_edges = config.all_edges.value_or(true);
    }
    workspace->packages.push_back(std::move(source.package));
    VT_RETURN_IF_ERROR(AddTasks(*workspace, index, &source.manifest, &config,
                                &workspace->packages.back()));
    manifests.push_back(std::move(source.manifest));
  }
  VT_RETURN_IF_ERROR(AddEdges(manifests, all_edges, &workspace->packages));
  workspace->dependency_errors = CheckDependsOn(*workspace);
  return std::shared_ptr<const Workspace>(std::move(workspace));
}

absl::StatusOr<std::shared_ptr<const Workspace>> Load(absl::string_view cwd) {
  VT_ASSIGN_OR_RETURN(Sources sources, Scan(cwd));
  return Assemble(std::move(sources), {});
}

}  // namespace vt::workspace
