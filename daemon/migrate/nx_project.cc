// SPDX-License-Identifier: Apache-2.0

#include "daemon/migrate/nx_project.h"

#include <algorithm>
#include <filesystem>
#include <system_error>
#include <utility>

#include "daemon/base/path.h"
#include "daemon/base/status.h"

namespace vt::migrate {
namespace {

using base::Json;

absl::StatusOr<NxProject> ReadProject(const Project& project,
                                      const std::string& path) {
  NxProject found;
  found.path = path;
  found.package = project.PackageAt(path);
  VT_ASSIGN_OR_RETURN(
      found.project_json,
      project.Read(path.empty() ? "project.json"
                                : base::JoinPath(path, "project.json")));
  if (found.package >= 0) {
    found.name = project.package(found.package).name;
    VT_ASSIGN_OR_RETURN(
        const std::optional<Json> manifest,
        project.Read(project.FileOf(found.package, "package.json")));
    const Json* nx = manifest.has_value() ? manifest->Find("nx") : nullptr;
    if (nx != nullptr && nx->is_object()) {
      found.manifest_nx = *nx;
    }
  }
  if (found.project_json.has_value()) {
    const Json* name = found.project_json->Find("name");
    if (name != nullptr && name->is_string()) {
      found.name = name->text;
    }
  }
  if (found.name.empty()) {
    found.name = std::string(base::Basename(path));
  }
  return found;
}

// Directories with a project.json that are no packages, sorted.
std::vector<std::string> OtherDirectories(const Project& project) {
  std::vector<std::string> found;
  std::error_code error;
  std::filesystem::recursive_directory_iterator walk(
      project.root(),
      std::filesystem::directory_options::skip_permission_denied, error);
  for (; !error && walk != std::filesystem::recursive_directory_iterator();
       walk.increment(error)) {
    const std::string name = walk->path().filename().string();
    std::error_code ignored;
    if (walk->is_directory(ignored) &&
        (name == "node_modules" || name == "dist" || name[0] == '.')) {
      walk.disable_recursion_pending();
    } else if (name == "project.json") {
      const auto path =
          base::RelativeTo(walk->path().parent_path().string(), project.root());
      if (path.has_value() && project.PackageAt(*path) < 0) {
        found.push_back(*path);
      }
    }
  }
  std::sort(found.begin(), found.end());
  return found;
}

}  // namespace

absl::StatusOr<std::vector<NxProject>> FindNxProjects(const Project& project) {
  std::vector<std::string> paths;
  for (int i = 0; i < project.size(); ++i) {
    paths.push_back(project.package(i).path);
  }
  for (std::string& path : OtherDirectories(project)) {
    paths.push_back(std::move(path));
  }
  std::vector<NxProject> projects;
  for (const std::string& path : paths) {
    VT_ASSIGN_OR_RETURN(NxProject found, ReadProject(project, path));
    projects.push_back(std::move(found));
  }
  return projects;
}

}  // namespace vt::migrate
