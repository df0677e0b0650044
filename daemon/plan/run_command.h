// SPDX-License-Identifier: Apache-2.0
//
// The command line of `vt run`: one table of flags gives parsing, help and
// completion.

#pragma once

#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace vt::plan {

enum class LogMode { kInterleaved, kLabeled, kGrouped };

// What `vt explain` asks.
struct ExplainFlags {
  bool list = false;
  std::vector<std::string> diff;  // empty, or two: numbers of runs, or "last"
};

// `vt run …`. Field by field the flags of spec/runner.md R-CLI-2.
struct RunFlags {
  bool recursive = false;
  bool transitive = false;
  bool workspace_root = false;
  std::vector<std::string> filters;
  bool fail_if_no_match = false;
  bool ignore_depends_on = false;
  int verbose = 0;
  std::optional<bool> cache;      // --cache, --no-cache
  bool force = false;             // run what is cached, and store it anew
  std::optional<bool> fail_fast;  // --fail-fast, --continue
  LogMode log = LogMode::kInterleaved;
  bool log_given = false;
  std::optional<std::string> concurrency_limit;
  bool parallel = false;
  bool dry_run = false;
  bool json = false;
  bool last_details = false;
  std::optional<ExplainFlags> explain;  // say only what would be, and why
  std::optional<std::string> task;      // specifier as typed
  std::vector<std::string> extra_args;
};

// Parses what stands behind `vt run`. nullopt: help is wanted.
// INVALID_ARGUMENT: the usage error, without what is said about usage.
absl::StatusOr<std::optional<RunFlags>> ParseRun(
    const std::vector<std::string>& args);

// `usage` is how the program was called: "vt run", "vtr".
std::string RunHelp(absl::string_view usage);

constexpr char kRunUsage[] =
    "vt run [OPTIONS] [TASK_SPECIFIER] [ADDITIONAL_ARGS]...";

// The flags of a command of a task that is a `vt run` or `vp run` (`vtr`,
// `vpr`) and can stand in the plan; nullopt for every other command: other
// programs, and runs that only print something. INVALID_ARGUMENT: the usage
// error, without what is said about usage.
absl::StatusOr<std::optional<RunFlags>> ParseNestedRun(
    const std::vector<std::string>& words);

// Whether `words` start `vt` or `vp` in any way that works with tasks: never
// cached as a process, for it needs the whole environment, and its actions have
// results of their own.
bool IsNestedRunner(const std::vector<std::string>& words);

// A flag of `vt run`, for completion.
struct FlagInfo {
  char short_name = 0;  // 0: none
  std::string name;     // without the dashes
  std::string value;    // name of its value; "": takes none
  std::string help;     // may have several lines
};
std::vector<FlagInfo> RunFlagInfos();

}  // namespace vt::plan
