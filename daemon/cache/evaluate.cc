// SPDX-License-Identifier: Apache-2.0

#include "daemon/cache/evaluate.h"

#include <algorithm>
#include <tuple>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/string_view.h"

#include "daemon/base/near_files.h"

namespace vt::cache {
namespace {

using vtask::storage::v1::Observation;
using vtask::storage::v1::PathSet;
using vtask::storage::v1::Value;

// Same question, same key; who asked does not matter.
std::string KeyOf(const Observation& observation) {
  if (!observation.has_provenance()) {
    return observation.SerializeAsString();
  }
  Observation question = observation;
  question.clear_provenance();
  return question.SerializeAsString();
}

}  // namespace

PathSet Canonical(PathSet path_set) {
  std::vector<std::pair<std::string, Observation*>> sorted;
  sorted.reserve(static_cast<size_t>(path_set.observations_size()));
  for (Observation& observation : *path_set.mutable_observations()) {
    sorted.emplace_back(KeyOf(observation), &observation);
  }
  std::stable_sort(sorted.begin(), sorted.end(),
                   [](const auto& a, const auto& b) {
                     return std::forward_as_tuple(a.second->kind(),
                                                  a.second->path(), a.first) <
                            std::forward_as_tuple(b.second->kind(),
                                                  b.second->path(), b.first);
                   });
  PathSet out;
  for (size_t i = 0; i < sorted.size(); ++i) {
    if (i == 0 || sorted[i].first != sorted[i - 1].first) {
      *out.add_observations() = std::move(*sorted[i].second);
    }
  }
  return out;
}

std::vector<Value> ForFingerprint(const PathSet& path_set,
                                  std::vector<Value> values) {
  absl::flat_hash_set<absl::string_view> read;
  for (const Observation& observation : path_set.observations()) {
    if (observation.kind() == Observation::CONTENT &&
        !observation.rebuildable()) {
      read.insert(observation.path());
    }
  }
  for (size_t i = 0; i < values.size(); ++i) {
    const Observation& observation = path_set.observations(static_cast<int>(i));
    if (observation.kind() == Observation::METADATA &&
        read.contains(observation.path())) {
      values[i].clear_size();
    } else if (observation.kind() == Observation::TOOL_VALUE) {
      values[i].Clear();
      values[i].set_type(Value::SET);
    }
  }
  return values;
}

const Value& Evaluator::Observe(const Observation& observation) {
  const auto [it, is_new] = known_.try_emplace(KeyOf(observation));
  if (is_new) {
    it->second = fingerprint::Observe(observation, *world_);
  }
  return it->second;
}

std::vector<Value> Evaluator::Evaluate(const PathSet& path_set) {
  const base::NearScope near;
  std::vector<Value> values;
  values.reserve(static_cast<size_t>(path_set.observations_size()));
  for (const Observation& observation : path_set.observations()) {
    values.push_back(Observe(observation));
  }
  return values;
}

}  // namespace vt::cache
