// SPDX-License-Identifier: Apache-2.0

#include "daemon/workspace/workspace.h"

#include <stdlib.h>
#include <unistd.h>

#include <cerrno>
#include <climits>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

#include "daemon/base/file.h"
#include "daemon/base/path.h"
#include "daemon/base/status.h"
#include "daemon/workspace/config.h"
#include "daemon/workspace/edges.h"
#include "daemon/workspace/json.h"
#include "daemon/workspace/manifest.h"
#include "daemon/workspace/members.h"
#include "daemon/workspace/script_config.h"

namespace vt::workspace {
namespace {

constexpr absl::string_view kConfigName = "vite-task.json";

absl::StatusOr<std::string> PhysicalPath(absl::string_view path) {
  char buffer[PATH_MAX];
  if (::realpath(std::string(path).c_str(), buffer) == nullptr) {
    return base::ErrnoToStatus(errno, absl::StrCat("resolving `", path, "`"));
  }
  return std::string(buffer);
}

// The content of `file`, nullopt if there is none.
absl::StatusOr<std::optional<std::string>> ReadIfThere(
    const std::string& file) {
  absl::StatusOr<std::string> text = base::ReadFile(file);
  if (absl::IsNotFound(text.status())) {
    return std::optional<std::string>();
  }
  VT_RETURN_IF_ERROR(text.status());
  return std::optional<std::string>(*std::move(text));
}

// The vite.config file of `directory` that sets `run`, "" if none (R-CFG-1: the
// first that exists, the others are ignored).
absl::StatusOr<std::string> ScriptWithRun(const std::string& directory) {
  for (const char* extension : {"js", "mjs", "ts", "cjs", "mts", "cts"}) {
    std::string file = absl::StrCat(directory, "/vite.config.", extension);
    // access() first: most of these files do not exist, and an error status for
    // each costs more than the call.
    if (::access(file.c_str(), F_OK) != 0) {
      continue;
    }
    VT_ASSIGN_OR_RETURN(const std::string text, base::ReadFile(file));
    return SetsRun(text) ? file : "";
  }
  return "";
}

absl::StatusOr<Config> LoadConfig(const std::string& root,
                                  const Package& package) {
  const std::string file = base::JoinPath(package.directory, kConfigName);
  VT_ASSIGN_OR_RETURN(const std::string script,
                      ScriptWithRun(package.directory));
  if (::access(file.c_str(), F_OK) != 0) {
    if (!script.empty()) {
      // Until vite.config files are evaluated (decisions H12): never silence.
      return absl::InvalidArgumentError(absl::StrCat(
          script,
          ": `run` is set here, but this version does not evaluate "
          "vite.config files; move the value of `run` to ",
          file));
    }
    return Config();
  }
  if (!script.empty()) {
    return absl::InvalidArgumentError(
        absl::StrCat("both ", script, " (field `run`) and ", file,
                     " configure the tasks of this package; keep one"));
  }
  VT_ASSIGN_OR_RETURN(const std::string text, base::ReadFile(file));
  VT_ASSIGN_OR_RETURN(const Json json,
                      ParseJson(text, JsonDialect::kRelaxed, file));
  return ReadConfig(json, {file, root, package.path});
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
          position.file, ":", position.line, ":", position.column, ": Task ",
          workspace.Label(index, there->first),
          " conflicts with a package.json script of the same name. Remove the "
          "script from package.json or rename the task\n* the script is at ",
          there->second.position.file, ":", there->second.position.line));
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<Manifest> LoadManifest(const std::string& directory) {
  const std::string file = base::JoinPath(directory, "package.json");
  VT_ASSIGN_OR_RETURN(const std::optional<std::string> text, ReadIfThere(file));
  if (!text.has_value()) {
    Manifest none;
    none.file = file;
    return none;
  }
  absl::StatusOr<Manifest> manifest = ParseManifest(*text, file);
  if (!manifest.ok()) {
    return absl::InvalidArgumentError(
        absl::StrCat("Failed to load package graph\n* Failed to parse JSON "
                     "file\n* ",
                     manifest.status().message()));
  }
  return manifest;
}

absl::Status LoadPackage(const std::string& path, Workspace* workspace,
                         std::vector<Manifest>* manifests, bool* all_edges) {
  Package package;
  package.path = path;
  package.directory =
      path.empty() ? workspace->root : base::JoinPath(workspace->root, path);
  VT_ASSIGN_OR_RETURN(Manifest manifest, LoadManifest(package.directory));
  package.name = manifest.name;
  package.version = manifest.version;
  VT_ASSIGN_OR_RETURN(Config config, LoadConfig(workspace->root, package));
  if (path.empty()) {
    workspace->cache_scripts = config.cache_scripts.value_or(false);
    workspace->cache_tasks = config.cache_tasks.value_or(true);
    workspace->pre_post_scripts = config.pre_post_scripts.value_or(true);
    *all_edges = config.all_edges.value_or(true);
  }
  const int index = static_cast<int>(workspace->packages.size());
  workspace->packages.push_back(std::move(package));
  VT_RETURN_IF_ERROR(AddTasks(*workspace, index, &manifest, &config,
                              &workspace->packages.back()));
  manifests->push_back(std::move(manifest));
  return absl::OkStatus();
}

}  // namespace

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

absl::StatusOr<std::shared_ptr<const Workspace>> Load(absl::string_view cwd) {
  VT_ASSIGN_OR_RETURN(const std::string directory, PhysicalPath(cwd));
  VT_ASSIGN_OR_RETURN(const Root root, FindRoot(directory));
  for (const char* name : {".pnp.cjs", ".pnp.js"}) {
    const std::string file = base::JoinPath(root.directory, name);
    if (::access(file.c_str(), F_OK) == 0) {
      return absl::InvalidArgumentError(
          absl::StrCat(file,
                       ": yarn Plug'n'Play is not supported; set `nodeLinker: "
                       "node-modules` in .yarnrc.yml and run `yarn install`"));
    }
  }
  auto workspace = std::make_shared<Workspace>();
  workspace->root = root.directory;
  std::vector<Manifest> manifests;
  bool all_edges = true;
  VT_RETURN_IF_ERROR(LoadPackage("", workspace.get(), &manifests, &all_edges));
  if (root.members.has_value()) {
    const std::vector<std::string> members =
        root.members->Find(workspace->root);
    workspace->packages.reserve(members.size() + 1);
    for (const std::string& path : members) {
      VT_RETURN_IF_ERROR(
          LoadPackage(path, workspace.get(), &manifests, &all_edges));
    }
  }
  VT_RETURN_IF_ERROR(AddEdges(manifests, all_edges, &workspace->packages));
  workspace->dependency_errors = CheckDependsOn(*workspace);
  return std::shared_ptr<const Workspace>(std::move(workspace));
}

}  // namespace vt::workspace
