// SPDX-License-Identifier: Apache-2.0

#include "daemon/plan/cache_command.h"

#include <limits>

#include "absl/algorithm/container.h"
#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"

#include "daemon/base/suggest.h"

namespace vt::plan {
namespace {

using Verb = CacheFlags::Verb;

struct VerbInfo {
  Verb verb;
  const char* name;
  const char* help;
  std::vector<std::string> flags;
};

const std::vector<VerbInfo>& Verbs() {
  static const auto* const verbs = new std::vector<VerbInfo>{
      {Verb::kStatus, "status", "Show how large the cache is", {"--json"}},
      {Verb::kClean,
       "clean",
       "Remove the results of this workspace",
       {"--task", "--package", "--all"}},
      {Verb::kPrune,
       "prune",
       "Remove what is too old or too much",
       {"--max-size", "--max-age", "--json"}},
      {Verb::kVerify, "verify", "Check every stored byte", {"--json"}},
      {Verb::kPath, "path", "Print the directory of the cache", {}}};
  return *verbs;
}

// "10" and what stands behind it.
bool SplitNumber(absl::string_view text, double* number,
                 absl::string_view* unit) {
  size_t digits = 0;
  while (digits < text.size() &&
         (absl::ascii_isdigit(static_cast<unsigned char>(text[digits])) ||
          text[digits] == '.')) {
    ++digits;
  }
  *unit = absl::StripAsciiWhitespace(text.substr(digits));
  return digits > 0 && absl::SimpleAtod(text.substr(0, digits), number);
}

absl::Status BadValue(absl::string_view flag, absl::string_view value,
                      absl::string_view hint) {
  return absl::InvalidArgumentError(
      absl::StrCat("invalid value '", value, "' for '", flag, "': ", hint));
}

absl::Status Apply(absl::string_view flag, absl::string_view value,
                   CacheFlags* flags) {
  if (flag == "--task") {
    flags->task = std::string(value);
  } else if (flag == "--package") {
    flags->package = std::string(value);
  } else if (flag == "--max-size") {
    flags->max_bytes = ParseSize(value);
    if (!flags->max_bytes.has_value()) {
      return BadValue(flag, value, "a size such as 500M, 10G or unlimited");
    }
  } else {
    flags->max_age = ParseAge(value);
    if (!flags->max_age.has_value()) {
      return BadValue(flag, value, "an age such as 12h, 30d or unlimited");
    }
  }
  return absl::OkStatus();
}

bool IsHelp(absl::string_view arg) { return arg == "-h" || arg == "--help"; }

absl::StatusOr<const VerbInfo*> FindVerb(const std::string& name) {
  std::vector<std::string> names;
  for (const VerbInfo& info : Verbs()) {
    if (name == info.name) {
      return &info;
    }
    names.emplace_back(info.name);
  }
  return absl::InvalidArgumentError(absl::StrCat(
      "Command '", name, "' not found", base::DidYouMean(name, names)));
}

absl::Status Check(const CacheFlags& flags) {
  if (flags.all && (flags.task.has_value() || flags.package.has_value())) {
    return absl::InvalidArgumentError(
        "the argument '--all' cannot be used with '--task' or '--package'");
  }
  if (flags.task.has_value() && absl::StrContains(*flags.task, '#') &&
      flags.package.has_value()) {
    return absl::InvalidArgumentError(
        "'--task' names a package already; leave out '--package'");
  }
  return absl::OkStatus();
}

}  // namespace

std::optional<uint64_t> ParseSize(absl::string_view text) {
  if (text == "unlimited") {
    return std::numeric_limits<uint64_t>::max();
  }
  double number = 0;
  absl::string_view unit;
  if (!SplitNumber(text, &number, &unit)) {
    return std::nullopt;
  }
  std::string letter = absl::AsciiStrToUpper(unit);
  for (const char* suffix : {"IB", "B"}) {
    if (absl::EndsWith(letter, suffix)) {
      letter.resize(letter.size() - absl::string_view(suffix).size());
      break;
    }
  }
  const size_t power =
      letter.empty() ? 0 : absl::string_view("KMGT").find(letter) + 1;
  if (letter.size() > 1 || (!letter.empty() && power == 0)) {
    return std::nullopt;
  }
  double bytes = number;
  for (size_t i = 0; i < power; ++i) {
    bytes *= 1024;
  }
  return bytes < 9e18 ? std::optional<uint64_t>(static_cast<uint64_t>(bytes))
                      : std::nullopt;
}

std::optional<absl::Duration> ParseAge(absl::string_view text) {
  if (text == "unlimited") {
    return absl::InfiniteDuration();
  }
  double number = 0;
  absl::string_view unit;
  if (!SplitNumber(text, &number, &unit)) {
    return std::nullopt;
  }
  const absl::Duration one = unit == "s"   ? absl::Seconds(1)
                             : unit == "m" ? absl::Minutes(1)
                             : unit == "h" ? absl::Hours(1)
                             : unit == "d" ? absl::Hours(24)
                             : unit == "w" ? absl::Hours(24 * 7)
                             : unit.empty() && number == 0
                                 ? absl::Seconds(1)
                                 : absl::ZeroDuration();
  return one == absl::ZeroDuration()
             ? std::nullopt
             : std::optional<absl::Duration>(number * one);
}

absl::StatusOr<std::optional<CacheFlags>> ParseCache(
    const std::vector<std::string>& args) {
  if (args.empty() || IsHelp(args[0])) {
    return std::nullopt;
  }
  const absl::StatusOr<const VerbInfo*> verb = FindVerb(args[0]);
  if (!verb.ok()) {
    return verb.status();
  }
  CacheFlags flags;
  flags.verb = (*verb)->verb;
  for (size_t at = 1; at < args.size(); ++at) {
    if (IsHelp(args[at])) {
      return std::nullopt;
    }
    const size_t equals = args[at].find('=');
    const std::string flag = args[at].substr(0, equals);
    if (!absl::c_linear_search((*verb)->flags, flag)) {
      return absl::InvalidArgumentError(
          absl::StrCat("Unexpected argument '", args[at], "'",
                       base::DidYouMean(flag, (*verb)->flags)));
    }
    if (flag == "--json" || flag == "--all") {
      (flag == "--json" ? flags.json : flags.all) = true;
      if (equals != std::string::npos) {
        return absl::InvalidArgumentError(
            absl::StrCat("unexpected value for '", flag, "'"));
      }
      continue;
    }
    std::string value;
    if (equals != std::string::npos) {
      value = args[at].substr(equals + 1);
    } else if (++at == args.size()) {
      return absl::InvalidArgumentError(absl::StrCat(
          "a value is required for '", flag, "' but none was supplied"));
    } else {
      value = args[at];
    }
    if (absl::Status applied = Apply(flag, value, &flags); !applied.ok()) {
      return applied;
    }
  }
  if (absl::Status checked = Check(flags); !checked.ok()) {
    return checked;
  }
  return flags;
}

std::string CacheHelp() {
  return absl::StrCat("Usage: ", kCacheUsage, R"(

Look after the results of earlier runs. All workspaces and clones of a user
share one cache.

Commands:
  status [--json]           Show how large the cache is, its limits, how old its
                            oldest result is, and how often runs hit
  clean                     Remove the results of this workspace: what its tasks
                            have stored, used or could find
    --task <TASK>             only those of this task (`build`, `app#build`)
    --package <PACKAGE>       only those of this package (name or directory)
    --all                     everything, of all workspaces
  prune [--json]            Remove what is too old or too much, now. The daemon
                            does that by itself, in the background
    --max-size <SIZE>         instead of the configured limit: 500M, 10G
    --max-age <AGE>           instead of the configured limit: 12h, 30d
  verify [--json]           Read everything that is stored, and put what is
                            damaged into quarantine; exit code 1 if anything was
  path                      Print the directory of the cache

Ctrl-C ends any of them; what was done until then stays done.
)");
}

std::vector<CacheCommandInfo> CacheCommandInfos() {
  std::vector<CacheCommandInfo> infos;
  for (const VerbInfo& info : Verbs()) {
    infos.push_back({info.name, info.help, info.flags});
  }
  return infos;
}

}  // namespace vt::plan
