// SPDX-License-Identifier: Apache-2.0

#include "daemon/cache/compare.h"

#include <map>
#include <utility>

#include "daemon/base/status.h"
#include "daemon/cache/records.h"
#include "daemon/fingerprint/observe.h"

namespace vt::cache {
namespace {

using vtask::storage::v1::Observation;
using vtask::storage::v1::PathSet;
using vtask::storage::v1::Result;
using vtask::storage::v1::Value;

struct Seen {
  Observation observation;
  Value value;
};

// By question; provenance is not part of it.
absl::StatusOr<std::map<std::string, Seen>> SeenBy(
    const store::Database& database, const base::Digest& strong,
    const std::string& root) {
  VT_ASSIGN_OR_RETURN(const Result result,
                      LoadAnyResult(database, strong, root));
  VT_ASSIGN_OR_RETURN(const PathSet path_set,
                      LoadRecord<PathSet>(database, store::Table::kPathSets,
                                          result.path_set()));
  if (path_set.observations_size() != result.values_size()) {
    return absl::NotFoundError("a result does not fit its path set");
  }
  std::map<std::string, Seen> seen;
  for (int i = 0; i < result.values_size(); ++i) {
    Observation question = path_set.observations(i);
    question.clear_provenance();
    std::string key = question.SerializeAsString();
    seen[std::move(key)] = {std::move(question), result.values(i)};
  }
  return seen;
}

}  // namespace

ResultComparison CompareResults(const store::Database& database,
                                const base::Digest& before,
                                const base::Digest& after,
                                const std::string& root) {
  ResultComparison comparison;
  const auto first = SeenBy(database, before, root);
  const auto second = SeenBy(database, after, root);
  if (!first.ok() || !second.ok()) {
    comparison.note =
        !first.ok() && !second.ok() ? "both results are no longer in the cache"
        : first.ok() ? "the second result is no longer in the cache"
                     : "the first result is no longer in the cache";
    return comparison;
  }
  bool asked_others = false;
  for (const auto& [key, seen] : *first) {
    const auto other = second->find(key);
    if (other != second->end()) {
      fingerprint::AppendDifferences(seen.observation, seen.value,
                                     other->second.value,
                                     &comparison.differences);
    }
    asked_others = asked_others || other == second->end();
  }
  for (const auto& [key, seen] : *second) {
    asked_others = asked_others || first->count(key) == 0;
  }
  fingerprint::SortDifferences(&comparison.differences);
  if (comparison.differences.empty()) {
    comparison.note =
        asked_others ? "they looked at different things, and all that both "
                       "looked at is the same"
                     : "they name different directories";
  }
  return comparison;
}

}  // namespace vt::cache
