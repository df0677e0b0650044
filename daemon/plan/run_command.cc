// SPDX-License-Identifier: Apache-2.0

#include "daemon/plan/run_command.h"

#include <algorithm>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/strip.h"

#include "daemon/base/path.h"
#include "daemon/base/status.h"
#include "daemon/base/suggest.h"
#include "daemon/settings/settings.h"

namespace vt::plan {
namespace {

// One flag of `vt run`; the table gives parsing, suggestions and help.
struct Flag {
  char short_name;    // 0: none
  const char* name;   // without the dashes
  const char* value;  // name of its value; "": takes none
  const char* group;  // heading in the help
  const char* help;   // lines are separated by '\n'
  absl::Status (*apply)(absl::string_view value, RunFlags* flags);
};

// Help and version end the parsing; this tells them from an error.
constexpr char kHelp[] = "help";

absl::Status Ok() { return absl::OkStatus(); }

absl::Status InvalidValue(absl::string_view value, absl::string_view flag,
                          absl::string_view why) {
  return absl::InvalidArgumentError(
      absl::StrCat("invalid value '", value, "' for '", flag, "'", why));
}

absl::Status ApplyLog(absl::string_view value, RunFlags* flags) {
  flags->log_given = true;
  if (value == "interleaved") {
    flags->log = LogMode::kInterleaved;
  } else if (value == "labeled") {
    flags->log = LogMode::kLabeled;
  } else if (value == "grouped") {
    flags->log = LogMode::kGrouped;
  } else {
    const std::vector<std::string> modes = {"interleaved", "labeled",
                                            "grouped"};
    return InvalidValue(value, "--log <LOG>",
                        absl::StrCat(base::DidYouMean(value, modes),
                                     "\n  [possible values: interleaved, "
                                     "labeled, grouped]"));
  }
  return Ok();
}

absl::Status ApplyLimit(absl::string_view value, RunFlags* flags) {
  if (!settings::ParseConcurrency(value).has_value()) {
    return InvalidValue(
        value, "--concurrency-limit <CONCURRENCY_LIMIT>",
        ": invalid digit found in string; expected a number of tasks, or a "
        "percentage of the processors such as 50%");
  }
  flags->concurrency_limit = std::string(value);
  return Ok();
}

absl::Status ApplyFailFast(absl::string_view value, RunFlags* flags) {
  if (value != "yes" && value != "no") {
    return InvalidValue(value, "--fail-fast <YES_OR_NO>",
                        "\n  [possible values: yes, no]");
  }
  flags->fail_fast = value == "yes";
  return Ok();
}

absl::Status ApplyFilter(absl::string_view value, RunFlags* flags) {
  if (absl::StripAsciiWhitespace(value).empty()) {
    return absl::InvalidArgumentError("--filter value is empty");
  }
  flags->filters.emplace_back(value);
  return Ok();
}

absl::Status ApplyCache(bool on, RunFlags* flags) {
  if (flags->cache.has_value() && *flags->cache != on) {
    return absl::InvalidArgumentError(
        "the argument '--cache' cannot be used with '--no-cache'");
  }
  flags->cache = on;
  return Ok();
}

#define VT_SWITCH(field)                   \
  [](absl::string_view, RunFlags* flags) { \
    flags->field = true;                   \
    return Ok();                           \
  }

constexpr char kSelect[] = "Which packages";
constexpr char kPlan[] = "Order and concurrency";
constexpr char kCache[] = "Cache";
constexpr char kOutput[] = "Output";

const Flag kRunFlags[] = {
    {'r', "recursive", "", kSelect, "Run the task in every package that has it",
     VT_SWITCH(recursive)},
    {'t', "transitive", "", kSelect,
     "Run it in the package and everything it depends on",
     VT_SWITCH(transitive)},
    {'w', "workspace-root", "", kSelect, "Run it in the workspace root",
     VT_SWITCH(workspace_root)},
    {'F', "filter", "FILTERS", kSelect,
     "Run it in the packages that match; may be repeated", ApplyFilter},
    {0, "fail-if-no-match", "", kSelect, "Fail if a filter matches no package",
     VT_SWITCH(fail_if_no_match)},
    {0, "ignore-depends-on", "", kPlan,
     "Leave out the tasks that `dependsOn` names",
     VT_SWITCH(ignore_depends_on)},
    {0, "parallel", "", kPlan,
     "Ignore the order of packages and tasks and the limit",
     VT_SWITCH(parallel)},
    {0, "concurrency-limit", "CONCURRENCY_LIMIT", kPlan,
     "Run at most so many tasks at once: a number, or as\n"
     "50% of the processors [default: 4]\n[env: VT_RUN_CONCURRENCY_LIMIT]",
     ApplyLimit},
    {0, "fail-fast", "YES_OR_NO", kPlan,
     "Whether a failure ends the whole run, or only what\n"
     "depends on it [default: yes]",
     ApplyFailFast},
    {0, "continue", "", kPlan,
     "After a failure, go on with what does not depend\n"
     "on it; the same as --fail-fast=no",
     [](absl::string_view, RunFlags* flags) {
       flags->fail_fast = false;
       return Ok();
     }},
    {0, "cache", "", kCache, "Cache scripts and tasks in this run",
     [](absl::string_view, RunFlags* flags) {
       return ApplyCache(true, flags);
     }},
    {0, "no-cache", "", kCache, "Neither use nor fill the cache in this run",
     [](absl::string_view, RunFlags* flags) {
       return ApplyCache(false, flags);
     }},
    {0, "force", "", kCache, "Run what is cached, too, and store it anew",
     VT_SWITCH(force)},
    {'v', "verbose", "", kOutput,
     "Show a detailed summary; -vv also what is unchanged",
     [](absl::string_view, RunFlags* flags) {
       ++flags->verbose;
       return Ok();
     }},
    {0, "log", "LOG", kOutput,
     "How output is shown: interleaved, labeled or grouped\n"
     "[default: interleaved]",
     ApplyLog},
    {0, "dry-run", "", kOutput, "Say what would run, and run nothing",
     VT_SWITCH(dry_run)},
    {0, "json", "", kOutput,
     "Print the plan (--dry-run) or the task graph as JSON", VT_SWITCH(json)},
    {0, "last-details", "", kOutput,
     "Show the detailed summary of the last run again",
     VT_SWITCH(last_details)},
    {'h', kHelp, "", kOutput, "Show this help", nullptr},
};

#undef VT_SWITCH

std::string FlagList() {
  std::string out;
  const char* group = "";
  for (const Flag& flag : kRunFlags) {
    if (absl::string_view(group) != flag.group) {
      group = flag.group;
      absl::StrAppend(&out, "\n", group, ":\n");
    }
    std::string left =
        flag.short_name != 0
            ? absl::StrCat("  -", std::string(1, flag.short_name), ", --",
                           flag.name)
            : absl::StrCat("      --", flag.name);
    if (*flag.value != '\0') {
      absl::StrAppend(&left, " <", flag.value, ">");
    }
    std::string help = flag.help;
    constexpr size_t kColumn = 28;
    if (left.size() + 2 > kColumn) {
      absl::StrAppend(&out, left, "\n");
      left.clear();
    }
    for (size_t start = 0; start <= help.size();) {
      const size_t end = std::min(help.find('\n', start), help.size());
      absl::StrAppendFormat(&out, "%-*s%s\n", static_cast<int>(kColumn), left,
                            help.substr(start, end - start));
      left.clear();
      start = end + 1;
    }
  }
  return out;
}

// Parses what stands behind `vt run`. Thread-compatible.
class RunParser {
 public:
  explicit RunParser(std::vector<std::string> args) : args_(std::move(args)) {}

  // True: help is wanted.
  absl::StatusOr<bool> Parse(RunFlags* out) {
    while (at_ < args_.size()) {
      const std::string arg = args_[at_++];
      if (arg == "--") {
        break;
      }
      if (arg.size() < 2 || arg[0] != '-') {
        --at_;
        break;
      }
      VT_RETURN_IF_ERROR(absl::StartsWith(arg, "--") ? Long(arg, out)
                                                     : Short(arg, out));
      if (help_) {
        return true;
      }
    }
    if (at_ < args_.size()) {
      out->task = args_[at_++];
      out->extra_args.assign(args_.begin() + static_cast<std::ptrdiff_t>(at_),
                             args_.end());
    }
    VT_RETURN_IF_ERROR(Check(*out));
    return false;
  }

 private:
  absl::Status Apply(const Flag& flag, absl::string_view value, RunFlags* out) {
    if (flag.apply == nullptr) {
      help_ = true;
      return Ok();
    }
    if (absl::string_view(flag.name) != "cache" &&
        absl::string_view(flag.name) != "no-cache" &&
        absl::string_view(flag.name) != "last-details" &&
        absl::string_view(flag.name) != "json") {
      others_ = true;
    }
    return flag.apply(value, out);
  }

  absl::StatusOr<std::string> Value(const Flag& flag) {
    if (at_ == args_.size()) {
      return absl::InvalidArgumentError(
          absl::StrCat("a value is required for '--", flag.name, " <",
                       flag.value, ">' but none was supplied"));
    }
    return args_[at_++];
  }

  absl::Status Long(const std::string& arg, RunFlags* out) {
    const size_t equals = arg.find('=');
    const std::string name = arg.substr(
        2, equals == std::string::npos ? std::string::npos : equals - 2);
    std::vector<std::string> known;
    for (const Flag& flag : kRunFlags) {
      known.push_back(absl::StrCat("--", flag.name));
      if (name != flag.name) {
        continue;
      }
      if (*flag.value == '\0') {
        return equals == std::string::npos
                   ? Apply(flag, "", out)
                   : absl::InvalidArgumentError(absl::StrCat(
                         "unexpected value '", arg.substr(equals + 1),
                         "' for '--", name, "' found; no more were expected"));
      }
      if (equals != std::string::npos) {
        return Apply(flag, absl::string_view(arg).substr(equals + 1), out);
      }
      VT_ASSIGN_OR_RETURN(const std::string value, Value(flag));
      return Apply(flag, value, out);
    }
    const std::string shown = absl::StrCat("--", name);
    return Unknown(shown, base::DidYouMean(shown, known));
  }

  // `-rv`, `-F x`, `-Fx`.
  absl::Status Short(const std::string& arg, RunFlags* out) {
    for (size_t i = 1; i < arg.size(); ++i) {
      const Flag* found = nullptr;
      for (const Flag& flag : kRunFlags) {
        if (flag.short_name == arg[i]) {
          found = &flag;
        }
      }
      if (found == nullptr) {
        return Unknown(arg.size() == 2
                           ? arg
                           : absl::StrCat("-", arg.substr(i, 1), "` in `", arg),
                       "");
      }
      if (*found->value == '\0') {
        VT_RETURN_IF_ERROR(Apply(*found, "", out));
        continue;
      }
      std::string value = arg.substr(i + 1);
      if (value.empty()) {
        VT_ASSIGN_OR_RETURN(value, Value(*found));
      } else {
        absl::string_view rest = value;
        absl::ConsumePrefix(&rest, "=");
        value = std::string(rest);
      }
      return Apply(*found, value, out);
    }
    return Ok();
  }

  static absl::Status Unknown(absl::string_view flag,
                              absl::string_view suggestion) {
    return absl::InvalidArgumentError(absl::StrCat(
        "unexpected argument `", flag, "`", suggestion,
        "\n* options stand before the task, its arguments behind it; a task "
        "whose name starts with `-` needs `--` before it"));
  }

  absl::Status Check(const RunFlags& flags) const {
    const bool more = others_ || flags.cache.has_value();
    if (flags.last_details && (more || flags.json || flags.task.has_value())) {
      return absl::InvalidArgumentError(
          "the argument '--last-details' cannot be used with one or more of "
          "the other specified arguments");
    }
    if (flags.json && flags.task.has_value() && !flags.dry_run) {
      return absl::InvalidArgumentError(
          "with a task, '--json' is only supported with '--dry-run' for now");
    }
    if (flags.json && !flags.task.has_value() && more) {
      return absl::InvalidArgumentError(
          "the argument '--json' cannot be used with one or more of the other "
          "specified arguments");
    }
    // R-CLI-5, X-22: what is for the task that will be chosen is accepted.
    const bool needs_task = flags.recursive || flags.transitive ||
                            flags.workspace_root || !flags.filters.empty() ||
                            flags.fail_if_no_match || flags.dry_run;
    if (!flags.task.has_value() && needs_task) {
      return absl::InvalidArgumentError(
          "No task specifier provided for 'run' command");
    }
    return Exclusive(flags);
  }

  // R-SEL-21.
  static absl::Status Exclusive(const RunFlags& flags) {
    const std::pair<bool, const char*> refused[] = {
        {flags.recursive && flags.transitive,
         "--recursive and --transitive cannot be used together"},
        {!flags.filters.empty() && flags.transitive,
         "--filter and --transitive cannot be used together"},
        {!flags.filters.empty() && flags.recursive,
         "--filter and --recursive cannot be used together"},
    };
    for (const auto& [both, text] : refused) {
      if (both) {
        return absl::InvalidArgumentError(text);
      }
    }
    return Ok();
  }

  const std::vector<std::string> args_;
  size_t at_ = 0;
  bool help_ = false;
  bool others_ = false;  // a flag that excludes --json and --last-details
};

// What stands behind the name of the program in `vt run …` and `vtr …`; nullopt
// if `words` are neither.
std::optional<std::vector<std::string>> RunArguments(
    const std::vector<std::string>& words) {
  const bool is_short = words[0] == "vtr" || words[0] == "vpr";
  const bool is_long = (words[0] == "vt" || words[0] == "vp") &&
                       words.size() > 1 && words[1] == "run";
  if (!is_short && !is_long) {
    return std::nullopt;
  }
  return std::vector<std::string>(words.begin() + (is_short ? 1 : 2),
                                  words.end());
}

}  // namespace

absl::StatusOr<std::optional<RunFlags>> ParseRun(
    const std::vector<std::string>& args) {
  RunFlags flags;
  VT_ASSIGN_OR_RETURN(const bool help, RunParser(args).Parse(&flags));
  if (help) {
    return std::nullopt;
  }
  return flags;
}

absl::StatusOr<std::optional<RunFlags>> ParseNestedRun(
    const std::vector<std::string>& words) {
  const std::optional<std::vector<std::string>> args = RunArguments(words);
  if (!args.has_value()) {
    return std::nullopt;
  }
  RunFlags flags;
  VT_ASSIGN_OR_RETURN(const bool help, RunParser(*args).Parse(&flags));
  if (help || !flags.task.has_value() || flags.dry_run || flags.json ||
      flags.last_details) {
    return std::nullopt;
  }
  return flags;
}

bool IsNestedRunner(const std::vector<std::string>& words) {
  const absl::string_view program = base::Basename(words[0]);
  // Behind `-C DIR`.
  const size_t at = words.size() > 3 && words[1] == "-C" ? 3 : 1;
  return program == "vpr" || program == "vtr" ||
         ((program == "vp" || program == "vt") && words.size() > at &&
          (words[at] == "run" || words[at] == "cache" ||
           words[at] == "explain"));
}

std::vector<FlagInfo> RunFlagInfos() {
  std::vector<FlagInfo> infos;
  for (const Flag& flag : kRunFlags) {
    infos.push_back({flag.short_name, flag.name, flag.value, flag.help});
  }
  return infos;
}

std::string RunHelp(absl::string_view usage) {
  return absl::StrCat(
      "Usage: ", usage, " [OPTIONS] [TASK_SPECIFIER] [ADDITIONAL_ARGS]...\n",
      R"(
Run a task, or replay it from the cache if nothing it used has changed.

Arguments:
  [TASK_SPECIFIER]          `task` of the current package, or `package#task`.
                            Without it you choose one in a terminal;
                            elsewhere the tasks are listed.
  [ADDITIONAL_ARGS]...      Everything behind the task goes to it unchanged
)",
      FlagList(), R"(
Filter forms (-F, separated by blanks or repeated):
  name, @scope/*            by name; @scope may be left out if that is unique
  ./dir, {dir}, ./dir/**    by directory
  name{dir}                 by both
  name..., name^...         with dependencies; only its dependencies
  ...name, ...^name         with dependents; only its dependents
  [ref], name[ref]          changed since a git reference, or new
  !name                     without it

Examples:
  )",
      usage, " build                  run `build` here\n  ", usage,
      " -r build               run it everywhere, dependencies first\n  ",
      usage, " -F 'app...' build      run it in app and what app needs\n  ",
      usage, " -F '...[main]' test    what has changed, and what uses it\n  ",
      usage, " app#test --watch       pass arguments to the task\n",
      R"(
Exit code: that of the task that failed first; 1 if the run cannot be planned,
2 for faults of configuration and command line, 130 if it was interrupted.
)");
}

}  // namespace vt::plan
