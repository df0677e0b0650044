// SPDX-License-Identifier: Apache-2.0

#include "daemon/plan/command_line.h"

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

#include "daemon/base/path.h"
#include "daemon/base/suggest.h"
#include "daemon/base/version.h"
#include "daemon/plan/explain_command.h"

namespace vt::plan {
namespace {

std::string MainHelp() {
  return R"(Usage: vt <COMMAND>

Run the tasks of a JavaScript or TypeScript workspace with a cache that is
never wrong.

Commands:
  run                       Run a task (`vtr` is short for `vt run`)
  trace                     Run any command and show what it read and wrote
  report                    Say, in a task, what it really read and wrote
  explain                   Say why a task would run, or why it did
  cache <status|clean|prune|verify|path>
                            Look after the results of earlier runs
  migrate                   Write vite-task.json from the files of Turborepo, Nx
                            or Wireit
  completion <bash|zsh|fish>
                            Print the completion script of a shell
  daemon <start|status|stop>
                            Control the daemon; it is started when needed
  doctor                    Check whether this machine has what vt needs
  help [COMMAND]            Show this help, or that of a command

Options:
  -C <DIR>                  Work as if started in DIR
  -h, --help                Show help; `vt run --help` has all options
  -V, --version             Show the version

Examples:
  vt run                    choose a task, or list them
  vt run build              run `build` of the current package
  vt run -r build           run it in every package, dependencies first
)";
}

absl::Status UsageError(absl::string_view what, absl::string_view usage) {
  return absl::InvalidArgumentError(absl::StrCat(
      what, "\n\nUsage: ", usage, "\n\nFor more information, try '--help'."));
}

absl::StatusOr<Command> ParseRunCommand(const std::vector<std::string>& args,
                                        absl::string_view program) {
  absl::StatusOr<std::optional<RunFlags>> flags = ParseRun(args);
  if (!flags.ok()) {
    return UsageError(flags.status().message(), kRunUsage);
  }
  if (!flags->has_value()) {
    return PrintText{RunHelp(program), 0};
  }
  return **std::move(flags);
}

absl::StatusOr<Command> ParseCacheCommand(
    const std::vector<std::string>& args) {
  absl::StatusOr<std::optional<CacheFlags>> flags = ParseCache(args);
  if (!flags.ok()) {
    return UsageError(flags.status().message(), kCacheUsage);
  }
  if (!flags->has_value()) {
    return PrintText{CacheHelp(), args.empty() ? 2 : 0};
  }
  return **std::move(flags);
}

absl::StatusOr<Command> ParseExplainCommand(
    const std::vector<std::string>& args) {
  absl::StatusOr<std::optional<RunFlags>> flags = ParseExplain(args);
  if (!flags.ok()) {
    return UsageError(flags.status().message(), kExplainUsage);
  }
  if (!flags->has_value()) {
    return PrintText{ExplainHelp(), 0};
  }
  return **std::move(flags);
}

}  // namespace

absl::StatusOr<Command> ParseCommandLine(const std::vector<std::string>& argv) {
  const absl::string_view program =
      argv.empty() ? "vt" : base::Basename(argv[0]);
  std::vector<std::string> args(argv.begin() + (argv.empty() ? 0 : 1),
                                argv.end());
  if (program == "vtr" || program == "vpr") {
    return ParseRunCommand(args, program);
  }
  if (args.empty()) {
    return PrintText{MainHelp(), 2};
  }
  const std::string command = args[0];
  args.erase(args.begin());
  if (command == "run") {
    return ParseRunCommand(args, "vt run");
  }
  if (command == "cache") {
    return ParseCacheCommand(args);
  }
  if (command == "explain") {
    return ParseExplainCommand(args);
  }
  if (command == "trace") {
    absl::StatusOr<std::optional<TraceFlags>> flags = ParseTrace(args);
    if (!flags.ok()) {
      return UsageError(flags.status().message(), kTraceUsage);
    }
    if (!flags->has_value()) {
      return PrintText{TraceHelp(), 0};
    }
    return **std::move(flags);
  }
  if (command == "migrate") {
    absl::StatusOr<std::optional<MigrateFlags>> flags = ParseMigrate(args);
    if (!flags.ok()) {
      return UsageError(flags.status().message(), kMigrateUsage);
    }
    if (!flags->has_value()) {
      return PrintText{MigrateHelp(), 0};
    }
    return **std::move(flags);
  }
  if (command == "-h" || command == "--help" || command == "help") {
    if (command == "help" && !args.empty() && args[0] != "help") {
      return ParseCommandLine({"vt", args[0], "--help"});
    }
    return PrintText{MainHelp(), 0};
  }
  if (command == "-V" || command == "--version") {
    return PrintText{absl::StrCat("vt ", base::Version(), "\n"), 0};
  }
  const std::string nearest =
      base::DidYouMean(command, {"run", "explain", "trace", "report", "cache",
                                 "migrate", "completion", "daemon", "doctor",
                                 "help", "--help", "--version"});
  return UsageError(
      absl::StartsWith(command, "-")
          ? absl::StrCat("unexpected argument `", command, "`", nearest)
          : absl::StrCat("Command '", command, "' not found", nearest,
                         "\n* a task of this name is run by `vt run ", command,
                         "`"),
      "vt <COMMAND>");
}

}  // namespace vt::plan
