// SPDX-License-Identifier: Apache-2.0

#include "daemon/plan/explain_command.h"

#include <algorithm>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"

namespace vt::plan {
namespace {

bool IsRun(const std::string& text) {
  uint64_t id = 0;
  return text == "last" || absl::SimpleAtoi(text, &id);
}

}  // namespace

absl::StatusOr<std::optional<RunFlags>> ParseExplain(
    const std::vector<std::string>& args) {
  ExplainFlags explain;
  bool json = false;
  int verbose = 0;
  // Everything else is as for `vt run --dry-run`.
  std::vector<std::string> rest = {"--dry-run"};
  size_t at = 0;
  for (; at < args.size() && args[at].size() > 1 && args[at][0] == '-' &&
         args[at] != "--";
       ++at) {
    if (args[at] == "--list") {
      explain.list = true;
    } else if (args[at] == "--json") {
      json = true;
      rest.push_back(args[at]);
    } else if (args[at] == "-v" || args[at] == "--verbose" ||
               args[at] == "-vv") {
      verbose += args[at] == "-vv" ? 2 : 1;
      rest.push_back(args[at]);
    } else if (args[at] == "--help" || args[at] == "-h") {
      return std::nullopt;
    } else if (args[at] == "--diff") {
      if (at + 2 >= args.size() || !IsRun(args[at + 1]) ||
          !IsRun(args[at + 2])) {
        return absl::InvalidArgumentError(
            "'--diff' needs the numbers of two runs (or `last`); `vt explain "
            "--list` shows them");
      }
      explain.diff = {args[at + 1], args[at + 2]};
      at += 2;
    } else {
      rest.push_back(args[at]);
      // The value of a flag, which is no task.
      for (const FlagInfo& flag : RunFlagInfos()) {
        const bool is_it =
            args[at] == absl::StrCat("--", flag.name) ||
            (flag.short_name != 0 &&
             args[at] == absl::StrCat("-", std::string(1, flag.short_name)));
        if (is_it && !flag.value.empty() && at + 1 < args.size()) {
          rest.push_back(args[++at]);
          break;
        }
      }
    }
  }
  rest.insert(rest.end(), args.begin() + static_cast<std::ptrdiff_t>(at),
              args.end());
  if (explain.list || !explain.diff.empty()) {
    if (explain.list && !explain.diff.empty()) {
      return absl::InvalidArgumentError(
          "the argument '--list' cannot be used with '--diff'");
    }
    const bool has_more =
        std::any_of(rest.begin() + 1, rest.end(), [](const std::string& word) {
          return word != "--json" && word != "-v" && word != "-vv" &&
                 word != "--verbose";
        });
    if (has_more) {
      return absl::InvalidArgumentError(
          absl::StrCat("Unexpected argument '", rest.back(), "'"));
    }
    RunFlags flags;
    flags.json = json;
    flags.verbose = verbose;
    flags.explain = std::move(explain);
    return flags;
  }
  absl::StatusOr<std::optional<RunFlags>> flags = ParseRun(rest);
  if (flags.ok() && flags->has_value()) {
    (*flags)->explain = std::move(explain);
  }
  return flags;
}

std::string ExplainHelp() {
  return absl::StrCat("Usage: ", kExplainUsage, R"(
       vt explain --list
       vt explain --diff <RUN1> <RUN2>

Say of each command of a task whether it would be a cache hit, and if not, all
that has changed since the nearest earlier run. Nothing is run.

Options:
      --json                As JSON (docs/schema/explain.schema.json)
  -v, --verbose             Show digests, too; -vv also what is unchanged
      --list                List the past runs of this workspace
      --diff <RUN1> <RUN2>  Compare two of them: by their numbers, or `last`
  -r, -t, -w, -F …          Select packages as `vt run` does
  -h, --help                Show this help

Examples:
  vt explain app#build                  why would it run again?
  vt explain --json -r build | jq '.steps[] | select(.cache == "miss")'
  vt explain --diff 41 last             what has changed since run 41?
)");
}

std::vector<std::string> ExplainFlagNames() {
  return {"--json",      "--verbose", "--list", "--diff",
          "--recursive", "--filter",  "--help"};
}

}  // namespace vt::plan
