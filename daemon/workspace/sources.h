// SPDX-License-Identifier: Apache-2.0
//
// A workspace in two steps: Scan reads what its files say by themselves,
// Assemble makes the snapshot. Between them somebody runs the configurations
// that are programs (vite.config files): not this module, which starts nothing.

#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

#include "daemon/base/json.h"
#include "daemon/workspace/manifest.h"
#include "daemon/workspace/workspace.h"

namespace vt::workspace {

// The values of `run` that vite.config files turned out to have, by absolute
// file; nullopt: it has none.
using EvaluatedConfigs = std::map<std::string, std::optional<base::Json>>;

// What the files of a workspace say. Immutable once scanned.
struct Sources {
  struct Source {
    Package package;  // without tasks and dependencies
    Manifest manifest;
    // The absolute vite.config file that may have a `run`, "" if none.
    std::string script;
    // The absolute vite-task.json, "" if there is none.
    std::string json;
  };
  std::string root;                       // absolute, physical
  std::vector<std::string> member_globs;  // as of Workspace
  std::vector<Source> packages;           // in the order of Workspace::packages

  // Every Source::script there is.
  std::vector<std::string> Scripts() const;
};

// The root of the workspace that `cwd` (absolute) belongs to, physical. Errors
// as of Scan. Blocking.
absl::StatusOr<std::string> RootOf(absl::string_view cwd);

// Finds the workspace that `cwd` (absolute) belongs to. Reads every manifest
// and every vite.config file.
//
// Errors: NOT_FOUND when no package.json is in `cwd` or above; INVALID_ARGUMENT
// for a manifest that does not parse. About 50 us a package. Blocking.
absl::StatusOr<Sources> Scan(absl::string_view cwd);

// `evaluated` holds every script of `sources`. Reads the vite-task.json files.
//
// Errors: INVALID_ARGUMENT for a configuration that does not parse or validate,
// naming file, line and column, key path, what was found and what is allowed,
// with the nearest key name. Blocking.
absl::StatusOr<std::shared_ptr<const Workspace>> Assemble(
    Sources sources, const EvaluatedConfigs& evaluated);

}  // namespace vt::workspace
