// SPDX-License-Identifier: Apache-2.0
//
// The command line of `vt`: one table of commands and flags gives parsing, help
// and (later) completion.

#pragma once

#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "absl/status/statusor.h"

namespace vt::plan {

enum class LogMode { kInterleaved, kLabeled, kGrouped };

// `vt run …`. Field by field the flags of spec/runner.md R-CLI-2.
struct RunFlags {
  bool recursive = false;
  bool transitive = false;
  bool workspace_root = false;
  std::vector<std::string> filters;
  bool fail_if_no_match = false;
  bool ignore_depends_on = false;
  int verbose = 0;
  std::optional<bool> cache;  // --cache, --no-cache
  LogMode log = LogMode::kInterleaved;
  std::optional<std::string> concurrency_limit;
  bool parallel = false;
  bool dry_run = false;
  bool json = false;
  bool last_details = false;
  std::optional<std::string> task;  // specifier as typed
  std::vector<std::string> extra_args;
};
struct PrintText {
  std::string text;
  int exit_code = 0;
};  // help, version
struct CacheClean {};
using Command = std::variant<RunFlags, PrintText, CacheClean>;

// Parses argv (argv[0] is the program's name: "vt", or "vtr" for "vt run").
// INVALID_ARGUMENT: the usage error as it is printed after "error: ", with a
// suggestion where one is near.
absl::StatusOr<Command> ParseCommandLine(const std::vector<std::string>& argv);

}  // namespace vt::plan
