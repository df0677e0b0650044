// SPDX-License-Identifier: Apache-2.0
//
// The command line of `vt`: which command it is. Each has its own header.

#pragma once

#include <string>
#include <variant>
#include <vector>

#include "absl/status/statusor.h"

#include "daemon/plan/cache_command.h"
#include "daemon/plan/migrate_command.h"
#include "daemon/plan/run_command.h"
#include "daemon/plan/trace_command.h"

namespace vt::plan {

struct PrintText {
  std::string text;
  int exit_code = 0;
};  // help, version
using Command =
    std::variant<RunFlags, PrintText, CacheFlags, TraceFlags, MigrateFlags>;

// Parses argv (argv[0] is the program's name: "vt", or "vtr" for "vt run").
// INVALID_ARGUMENT: the usage error as it is printed after "error: ", with a
// suggestion where one is near.
absl::StatusOr<Command> ParseCommandLine(const std::vector<std::string>& argv);

}  // namespace vt::plan
