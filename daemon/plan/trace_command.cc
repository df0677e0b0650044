// SPDX-License-Identifier: Apache-2.0

#include "daemon/plan/trace_command.h"

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"

#include "daemon/base/suggest.h"

namespace vt::plan {
namespace {

const TraceFlagInfo kFlags[] = {
    {"--json", false, "Print the report as JSON"},
    {"--output", true, "Write the report to a file"},
    {"--tier", true, "Track as on a lesser machine: 1, 2 or 3"},
    {"--help", false, "Show help"}};

std::vector<std::string> Names() {
  std::vector<std::string> names;
  for (const TraceFlagInfo& flag : kFlags) {
    names.emplace_back(flag.name);
  }
  return names;
}

absl::Status SetTier(absl::string_view value, TraceFlags* flags) {
  if (!absl::SimpleAtoi(value, &flags->tier) || flags->tier < 1 ||
      flags->tier > 3) {
    return absl::InvalidArgumentError(
        absl::StrCat("invalid value '", value,
                     "' for '--tier <N>'\n  [possible values: 1, 2, 3]"));
  }
  return absl::OkStatus();
}

// A flag that takes a value: `-o FILE`, `--output FILE`, `--output=FILE`.
absl::Status SetValue(absl::string_view name, absl::string_view value,
                      TraceFlags* flags) {
  if (name == "--tier") {
    return SetTier(value, flags);
  }
  if (value.empty()) {
    return absl::InvalidArgumentError("the file of '--output' has no name");
  }
  flags->output = std::string(value);
  return absl::OkStatus();
}

bool IsHelp(absl::string_view arg) { return arg == "-h" || arg == "--help"; }

}  // namespace

absl::StatusOr<std::optional<TraceFlags>> ParseTrace(
    const std::vector<std::string>& args) {
  TraceFlags flags;
  size_t at = 0;
  for (; at < args.size() && args[at].size() > 1 && args[at][0] == '-'; ++at) {
    absl::string_view name = args[at];
    if (name == "--") {
      ++at;
      break;
    }
    if (IsHelp(name)) {
      return std::nullopt;
    }
    if (name == "--json") {
      flags.json = true;
      continue;
    }
    const size_t equals = name.find('=');
    std::optional<absl::string_view> value;
    if (absl::StartsWith(name, "--") && equals != absl::string_view::npos) {
      value = name.substr(equals + 1);
      name = name.substr(0, equals);
    }
    if (name == "-o") {
      name = "--output";
    }
    if (name != "--output" && name != "--tier") {
      return absl::InvalidArgumentError(absl::StrCat(
          "unexpected argument `", args[at], "`",
          base::DidYouMean(name, Names()),
          "\n* options of `vt trace` stand before the command; a command whose "
          "name starts with `-` needs `--` before it"));
    }
    if (!value.has_value()) {
      if (++at == args.size()) {
        return absl::InvalidArgumentError(absl::StrCat(
            "a value is required for '", name, "' but none was supplied"));
      }
      value = args[at];
    }
    if (absl::Status set = SetValue(name, *value, &flags); !set.ok()) {
      return set;
    }
  }
  flags.command.assign(args.begin() + static_cast<std::ptrdiff_t>(at),
                       args.end());
  if (flags.command.empty() || flags.command[0].empty()) {
    return absl::InvalidArgumentError("no command to trace was given");
  }
  return flags;
}

std::vector<TraceFlagInfo> TraceFlagInfos() {
  return {std::begin(kFlags), std::end(kFlags)};
}

std::string TraceHelp() {
  return absl::StrCat("Usage: ", kTraceUsage, R"(

Run any command as a cached task would be run, and show which files it read,
looked for, listed, executed and changed, how that was seen, and whether its
result could be stored.

Arguments:
  <COMMAND> [ARGS]...       What to run, with this directory and environment. Its
                            standard input is empty, as a cached task's is

Options:
      --json                The report as JSON (docs/schema/trace.schema.json).
                            It goes to standard output, and all that the command
                            prints to standard error
  -o, --output <FILE>       Write the report to FILE (`-`: standard output) and
                            leave the command's streams as they are
      --tier <N>            Track as on a lesser machine: 1, 2 or 3
  -h, --help                Show this help

The report is printed on standard error when the command has ended. The exit
code is the command's.

Examples:
  vt trace npx vite build                 what does this build depend on?
  vt trace -o trace.txt make              keep the report
  vt trace --json tsc | jq '.accesses[] | select(.missing) | .path'
)");
}

}  // namespace vt::plan
