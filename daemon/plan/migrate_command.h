// SPDX-License-Identifier: Apache-2.0
//
// The command line of `vt migrate`.

#pragma once

#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"

namespace vt::plan {

// `vt migrate [OPTIONS]`.
struct MigrateFlags {
  bool dry_run = false;
  bool force = false;
  bool move_scripts = false;
  std::string from;  // "turbo", "nx", "wireit"; "": what is found
};

// Parses what stands behind `vt migrate`. nullopt: help is wanted.
// INVALID_ARGUMENT: the usage error.
absl::StatusOr<std::optional<MigrateFlags>> ParseMigrate(
    const std::vector<std::string>& args);

std::string MigrateHelp();

constexpr char kMigrateUsage[] = "vt migrate [OPTIONS]";

}  // namespace vt::plan
