// SPDX-License-Identifier: Apache-2.0
//
// The command line of `vt trace`.

#pragma once

#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"

namespace vt::plan {

// `vt trace [OPTIONS] [--] COMMAND [ARGS]…`.
struct TraceFlags {
  bool json = false;
  // File for the report; "-" is standard output.
  std::optional<std::string> output;
  int tier = 0;  // worst to be used, 1 to 3; 0: the machine's own
  std::vector<std::string> command;  // never empty
};

// Parses what stands behind `vt trace`. nullopt: help is wanted.
// INVALID_ARGUMENT: the usage error, without what is said about usage.
absl::StatusOr<std::optional<TraceFlags>> ParseTrace(
    const std::vector<std::string>& args);

// A flag, for completion.
struct TraceFlagInfo {
  const char* name;  // with its dashes
  bool takes_value;
  const char* help;
};
std::vector<TraceFlagInfo> TraceFlagInfos();

std::string TraceHelp();

constexpr char kTraceUsage[] = "vt trace [OPTIONS] [--] <COMMAND> [ARGS]...";

}  // namespace vt::plan
