// SPDX-License-Identifier: Apache-2.0
//
// The task configuration of one package: the value of `run`, or the top level
// of vite-task.json, checked against the schema of spec/runner.md R-CFG-5.

#pragma once

#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

#include "daemon/base/json.h"
#include "daemon/workspace/workspace.h"

namespace vt::workspace {

// Values of the root's configuration; unset ones have their default.
struct Config {
  std::optional<bool> cache_scripts;
  std::optional<bool> cache_tasks;
  std::optional<bool> pre_post_scripts;
  std::optional<bool> all_edges;  // `dependencyEdges`
  std::vector<Task> tasks;        // in order, cwd filled in
};

// Where a configuration stands.
struct ConfigPlace {
  std::string file;          // absolute, for errors
  std::string root;          // absolute
  std::string package_path;  // relative to the root, "" for the root
  // Key of the whole value, "" for a file of its own: "run" in a vite.config.
  std::string key_path = {};
};

// INVALID_ARGUMENT: "<file>:<line>:<column>: <key path>: what was found, what
// is allowed, the nearest key".
absl::StatusOr<Config> ReadConfig(const base::Json& json,
                                  const ConfigPlace& place);

// `pattern` of a package at `package_path` relative to the workspace root,
// without "." and ".." (R-CFG-23). The path's own special characters are
// escaped. INVALID_ARGUMENT: it leaves the workspace, or does not parse.
absl::StatusOr<std::string> RootRelativeGlob(absl::string_view package_path,
                                             absl::string_view pattern);

}  // namespace vt::workspace
