// SPDX-License-Identifier: Apache-2.0

#include "daemon/base/env_query.h"

#include <cstddef>
#include <utility>

#include "absl/strings/match.h"

#include "daemon/base/glob.h"
#include "daemon/base/status.h"

namespace vt::base {

EnvMap ParseEnv(const std::vector<std::string>& entries) {
  EnvMap env;
  for (const std::string& entry : entries) {
    const size_t equals = entry.find('=');
    if (equals == std::string::npos || equals == 0) {
      continue;
    }
    // emplace keeps the first of a name, as getenv(3) finds it.
    env.emplace(entry.substr(0, equals), entry.substr(equals + 1));
  }
  return env;
}

absl::StatusOr<EnvMap> MatchEnvGlob(const EnvMap& env,
                                    const std::string& pattern) {
  if (pattern.empty() || pattern == "*") {
    return EnvMap();
  }
  VT_ASSIGN_OR_RETURN(const Glob glob,
                      Glob::Parse(pattern, Glob::Style::kFlat));
  EnvMap matches;
  for (const auto& [name, value] : env) {
    if (glob.Matches(name)) {
      matches.emplace(name, value);
    }
  }
  return matches;
}

EnvMap MatchEnvPrefix(const EnvMap& env, const std::string& prefix) {
  EnvMap matches;
  if (prefix.empty()) {
    return matches;
  }
  for (auto it = env.lower_bound(prefix);
       it != env.end() && absl::StartsWith(it->first, prefix); ++it) {
    matches.insert(*it);
  }
  return matches;
}

}  // namespace vt::base
