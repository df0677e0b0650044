// SPDX-License-Identifier: Apache-2.0
//
// The projects of an Nx workspace: its packages, and directories that have a
// project.json alone.

#pragma once

#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"

#include "daemon/base/json.h"
#include "daemon/migrate/project.h"

namespace vt::migrate {

// The tasks of a project that is no package go into the root's configuration,
// as "project:target".
struct NxProject {
  std::string name;
  std::string path;  // relative to the root
  int package = -1;
  std::optional<base::Json> project_json;
  std::optional<base::Json> manifest_nx;  // `nx` of package.json
};

// Packages first. Walks the whole workspace, but for node_modules, dist and
// hidden directories. INVALID_ARGUMENT: a file does not parse. Blocking.
absl::StatusOr<std::vector<NxProject>> FindNxProjects(const Project& project);

}  // namespace vt::migrate
