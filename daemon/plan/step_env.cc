// SPDX-License-Identifier: Apache-2.0

#include "daemon/plan/step_env.h"

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"

#include "daemon/base/path.h"
#include "daemon/base/status.h"
#include "daemon/fingerprint/sink.h"

namespace vt::plan {

const std::vector<std::string>& DefaultUntrackedEnv() {
  static const std::vector<std::string>* const names =
      new std::vector<std::string>(absl::StrSplit(
          "HOME USER TZ LANG SHELL PWD PATH XDG_RUNTIME_DIR XAUTHORITY "
          "DBUS_SESSION_BUS_ADDRESS CI NODE_OPTIONS COREPACK_* "
          "NPM_CONFIG_STORE_DIR PNPM_HOME LD_LIBRARY_PATH LD_PRELOAD "
          "DYLD_FALLBACK_LIBRARY_PATH DYLD_INSERT_LIBRARIES LIBPATH DISPLAY "
          "TMP TEMP VERCEL VERCEL_* NEXT_* USE_OUTPUT_FOR_EDGE_FUNCTIONS "
          "NOW_BUILDER VC_MICROFRONTENDS_CONFIG_FILE_NAME GITHUB_* RUNNER_* "
          "ACTIONS_ID_TOKEN_REQUEST_URL APPDATA LOCALAPPDATA PROGRAMDATA "
          "SYSTEMROOT SYSTEMDRIVE USERPROFILE HOMEDRIVE HOMEPATH WINDIR "
          "PATHEXT ProgramFiles ProgramFiles(x86) ELECTRON_RUN_AS_NODE "
          "JB_INTERPRETER _JETBRAINS_TEST_RUNNER_RUN_SCOPE_TYPE JB_IDE_* "
          "VSCODE_* DOCKER_* BUILDKIT_* COMPOSE_* PLAYWRIGHT_* VP_* VT_* "
          "*_TOKEN",
          ' '));
  return *names;
}

absl::Status EnvPatterns::Add(const std::vector<std::string>& patterns) {
  for (const std::string& pattern : patterns) {
    absl::string_view text = pattern;
    const bool negative = absl::ConsumePrefix(&text, "!");
    absl::StatusOr<base::Glob> glob =
        base::Glob::Parse(text, base::Glob::Style::kFlat);
    if (!glob.ok()) {
      return base::Annotate(glob.status(),
                            "Failed to resolve environment variables");
    }
    (negative ? negative_ : positive_)
        .push_back({*std::move(glob), !base::Glob::HasSpecial(text),
                    std::string(text)});
  }
  return absl::OkStatus();
}

bool EnvPatterns::AnyMatches(const std::vector<Entry>& entries,
                             absl::string_view name) {
  return std::any_of(entries.begin(), entries.end(), [name](const Entry& e) {
    return e.literal ? e.text == name : e.glob.Matches(name);
  });
}

bool EnvPatterns::Excludes(absl::string_view name) const {
  return AnyMatches(negative_, name);
}
bool EnvPatterns::Matches(absl::string_view name) const {
  return AnyMatches(positive_, name);
}
bool EnvPatterns::Includes(absl::string_view name) const {
  return Matches(name) && !Excludes(name);
}

std::string StepPath(const std::string& package_directory,
                     const std::string& root, const std::string& caller_path) {
  std::vector<std::string> parts = {
      base::JoinPath(package_directory, "node_modules/.bin")};
  const std::string root_bin = base::JoinPath(root, "node_modules/.bin");
  if (root_bin != parts[0]) {
    parts.push_back(root_bin);
  }
  const size_t ours = parts.size();
  if (!caller_path.empty()) {
    for (const absl::string_view entry : absl::StrSplit(caller_path, ':')) {
      const auto end = parts.begin() + static_cast<std::ptrdiff_t>(ours);
      if (std::find(parts.begin(), end, entry) == end) {
        parts.emplace_back(entry);
      }
    }
  }
  return absl::StrJoin(parts, ":");
}

base::EnvMap UncachedEnv(const base::EnvMap& caller,
                         const Assignments& assignments) {
  base::EnvMap env = caller;
  env["VP_RUN"] = "1";
  for (const auto& [name, value] : assignments) {
    env[name] = value;
  }
  return env;
}

std::set<std::string> DefaultNames(const base::EnvMap& env) {
  EnvPatterns defaults;
  std::set<std::string> names;
  if (!defaults.Add(DefaultUntrackedEnv()).ok()) {
    return names;  // a test parses them all
  }
  for (const auto& [name, value] : env) {
    if (defaults.Matches(name)) {
      names.insert(name);
    }
  }
  return names;
}

absl::StatusOr<CachedEnv> MakeCachedEnv(
    const base::EnvMap& caller, const std::set<std::string>& default_names,
    const Assignments& assignments, const workspace::CacheSettings& cache) {
  EnvPatterns chosen;  // by the user, to pass or to count
  VT_RETURN_IF_ERROR(chosen.Add(cache.env));
  VT_RETURN_IF_ERROR(chosen.Add(cache.untracked_env));
  EnvPatterns counted;
  VT_RETURN_IF_ERROR(counted.Add(cache.env));

  CachedEnv out;
  for (const auto& [name, value] : caller) {
    if ((default_names.count(name) > 0 || chosen.Matches(name)) &&
        !chosen.Excludes(name)) {
      out.env[name] = value;
    }
  }
  // R-ENV-8.
  if (!chosen.Matches("FORCE_COLOR") || caller.count("FORCE_COLOR") == 0) {
    out.env["FORCE_COLOR"] = "1";
  }

  std::map<std::string, std::optional<std::string>> values;
  for (const std::string& name : cache.env) {
    if (!base::Glob::HasSpecial(name) && !absl::StartsWith(name, "!") &&
        !chosen.Excludes(name)) {
      values[name] = std::nullopt;  // unset counts, too
    }
  }
  for (const auto& [name, value] : out.env) {
    if (counted.Includes(name) && !chosen.Excludes(name)) {
      values[name] = value;
    }
  }
  out.env["VP_RUN"] = "1";
  for (const auto& [name, value] : assignments) {
    out.env[name] = value;
    values[name] = value;
  }
  for (const auto& [name, value] : values) {
    vtask::storage::v1::EnvValue entry;
    entry.set_name(name);
    entry.set_present(value.has_value());
    if (value.has_value()) {
      entry.set_value_digest(
          std::string(fingerprint::Sha256(*value).AsBytes()));
    }
    out.fingerprinted.push_back(std::move(entry));
  }
  return out;
}

}  // namespace vt::plan
