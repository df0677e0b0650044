// SPDX-License-Identifier: Apache-2.0
//
// The command line of `vt explain`.

#pragma once

#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"

#include "daemon/plan/run_command.h"

namespace vt::plan {

// Parses what stands behind `vt explain`: RunFlags with `explain` set. nullopt:
// help is wanted. INVALID_ARGUMENT: the usage error, without what is said about
// usage.
absl::StatusOr<std::optional<RunFlags>> ParseExplain(
    const std::vector<std::string>& args);

std::string ExplainHelp();

// The flags of its own with their dashes, for completion.
std::vector<std::string> ExplainFlagNames();

constexpr char kExplainUsage[] =
    "vt explain [OPTIONS] <TASK_SPECIFIER> [ADDITIONAL_ARGS]...";

}  // namespace vt::plan
