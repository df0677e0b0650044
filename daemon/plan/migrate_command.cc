// SPDX-License-Identifier: Apache-2.0

#include "daemon/plan/migrate_command.h"

#include <algorithm>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"

#include "daemon/base/suggest.h"

namespace vt::plan {

absl::StatusOr<std::optional<MigrateFlags>> ParseMigrate(
    const std::vector<std::string>& args) {
  MigrateFlags flags;
  for (size_t at = 0; at < args.size(); ++at) {
    const std::string& arg = args[at];
    absl::string_view value = arg;
    if (arg == "-h" || arg == "--help") {
      return std::nullopt;
    }
    if (arg == "-n" || arg == "--dry-run") {
      flags.dry_run = true;
    } else if (arg == "--force") {
      flags.force = true;
    } else if (arg == "--move-scripts") {
      flags.move_scripts = true;
    } else if (arg == "--from" || absl::ConsumePrefix(&value, "--from=")) {
      if (arg == "--from" && ++at == args.size()) {
        return absl::InvalidArgumentError(
            "a value is required for '--from <TOOL>' but none was supplied");
      }
      flags.from = arg == "--from" ? args[at] : std::string(value);
      const std::vector<std::string> tools = {"turbo", "nx", "wireit"};
      if (std::find(tools.begin(), tools.end(), flags.from) == tools.end()) {
        return absl::InvalidArgumentError(
            absl::StrCat("invalid value '", flags.from, "' for '--from <TOOL>'",
                         base::DidYouMean(flags.from, tools),
                         "\n  [possible values: turbo, nx, wireit]"));
      }
    } else {
      return absl::InvalidArgumentError(
          absl::StrCat("unexpected argument `", arg, "`",
                       base::DidYouMean(arg, {"--dry-run", "--force", "--from",
                                              "--move-scripts", "--help"})));
    }
  }
  return flags;
}

std::string MigrateHelp() {
  return absl::StrCat("Usage: ", kMigrateUsage, R"(

Write a vite-task.json for each package from turbo.json, from nx.json and
project.json, or from the `wireit` field of package.json. What has no equivalent
is said in comments. Existing files are left alone.

Options:
  -n, --dry-run             Print what would be written, and write nothing
      --force               Overwrite vite-task.json files
      --move-scripts        Also take scripts that become tasks out of
                            package.json: both under one name are an error
      --from <TOOL>         Read only the files of turbo, nx or wireit
  -h, --help                Show this help

Examples:
  vt migrate --dry-run      look first
  vt migrate --move-scripts
  vt run -r build           what `turbo run build` and `nx run-many` did
)");
}

}  // namespace vt::plan
