// SPDX-License-Identifier: Apache-2.0
//
// The environment of a step: what it gets, and what of it counts
// (spec/runner.md 5).

#pragma once

#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"

#include "daemon/base/env_query.h"
#include "daemon/base/glob.h"
#include "daemon/workspace/workspace.h"
#include "vtask/storage/v1/storage.pb.h"

namespace vt::plan {

using Assignments = std::vector<std::pair<std::string, std::string>>;

// Patterns of variables that every cached step gets and that never count
// (R-ENV-2).
const std::vector<std::string>& DefaultUntrackedEnv();

// A set of flat patterns; `!pattern` excludes, whatever the order (R-ENV-5).
// Immutable.
class EnvPatterns {
 public:
  // INVALID_ARGUMENT: a pattern does not parse.
  absl::Status Add(const std::vector<std::string>& patterns);
  bool Includes(absl::string_view name) const;
  bool Excludes(absl::string_view name) const;
  // Whether only the positive patterns match `name`.
  bool Matches(absl::string_view name) const;

 private:
  struct Entry {
    base::Glob glob;
    bool literal = false;
    std::string text;
  };
  static bool AnyMatches(const std::vector<Entry>& entries,
                         absl::string_view name);

  std::vector<Entry> positive_;
  std::vector<Entry> negative_;
};

// PATH of a step of the package in `package_directory` (R-PLAN-40).
std::string StepPath(const std::string& package_directory,
                     const std::string& root, const std::string& caller_path);

// All of it for a step that is not cached (R-ENV-3).
base::EnvMap UncachedEnv(const base::EnvMap& caller,
                         const Assignments& assignments);

struct CachedEnv {
  base::EnvMap env;
  // What counts (R-ENV-4, R-ENV-6), sorted by name.
  std::vector<vtask::storage::v1::EnvValue> fingerprinted;
};
// Names in `env` that the default list matches: asked once a plan, for all of
// its steps.
std::set<std::string> DefaultNames(const base::EnvMap& env);

// `default_names` are DefaultNames of `caller`.
absl::StatusOr<CachedEnv> MakeCachedEnv(
    const base::EnvMap& caller, const std::set<std::string>& default_names,
    const Assignments& assignments, const workspace::CacheSettings& cache);

}  // namespace vt::plan
