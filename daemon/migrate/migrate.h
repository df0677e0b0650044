// SPDX-License-Identifier: Apache-2.0
//
// `vt migrate`: vite-task.json files from those of Turborepo, Nx and Wireit.

#pragma once

#include <sys/types.h>

#include <string>

#include "absl/status/statusor.h"

namespace vt::migrate {

struct MigrateOptions {
  bool dry_run = false;       // print what would be written
  bool force = false;         // overwrite vite-task.json files
  bool move_scripts = false;  // take scripts that become tasks out of
                              // package.json
  std::string from;           // "turbo", "nx" or "wireit"; "": what is found
  mode_t umask = 022;
  // Absolute, of vite-task.schema.json as it is installed; and the user's home.
  std::string schema;
  std::string home;
};

// Reads the workspace of absolute `cwd`, writes the files, and returns what to
// tell the user. Nothing is written unless all of it can be.
//
// Errors: NOT_FOUND: no workspace, or nothing to migrate. FAILED_PRECONDITION:
// files that would be overwritten. INVALID_ARGUMENT: a file does not parse,
// naming file, line and column. Others as base::WriteFileAtomic. Blocking.
absl::StatusOr<std::string> Migrate(const std::string& cwd,
                                    const MigrateOptions& options);

}  // namespace vt::migrate
