// SPDX-License-Identifier: Apache-2.0
//
// What a tool's query for environment variables matches. Used to answer it
// (ipc/) and to ask again at the next lookup (fingerprint/): one place.

#pragma once

#include <map>
#include <string>
#include <vector>

#include "absl/status/statusor.h"

namespace vt::base {

// Name to value, bytes.
using EnvMap = std::map<std::string, std::string>;

// Splits "NAME=value" entries; the first of a name wins, entries without `=` or
// with an empty name are dropped.
EnvMap ParseEnv(const std::vector<std::string>& entries);

// Variables whose whole name matches `pattern` (Glob::Style::kFlat; a leading
// `!` is literal; "" and "*" match nothing: spec/tool-ipc.md 4.3, D8).
// INVALID_ARGUMENT: the pattern does not parse.
absl::StatusOr<EnvMap> MatchEnvGlob(const EnvMap& env,
                                    const std::string& pattern);

// Variables whose name starts with `prefix`, literally; "" matches nothing.
EnvMap MatchEnvPrefix(const EnvMap& env, const std::string& prefix);

}  // namespace vt::base
