// SPDX-License-Identifier: Apache-2.0

#include "daemon/cache/evaluate.h"

#include <algorithm>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"

#include "daemon/base/near_files.h"

namespace vt::cache {
namespace {

using vtask::storage::v1::Observation;
using vtask::storage::v1::PathSet;
using vtask::storage::v1::Value;

// All that it asks; who asked does not matter.
std::string Question(const Observation& observation) {
  if (!observation.has_provenance()) {
    return observation.SerializeAsString();
  }
  Observation question = observation;
  question.clear_provenance();
  return question.SerializeAsString();
}

// Same question, same key. Most ask for no more than a kind of a path; no kind
// is 0.
std::string KeyOf(const Observation& observation) {
  const bool is_plain = !observation.rebuildable() &&
                        observation.ignored().empty() &&
                        observation.globs().empty();
  const auto kind = static_cast<char>(is_plain ? observation.kind() : 0);
  const absl::string_view prefix(&kind, 1);
  return is_plain ? absl::StrCat(prefix, observation.path())
                  : absl::StrCat(prefix, Question(observation));
}

// By kind, path, and then whatever else it asks: seldom needed.
int Compare(const Observation& a, const Observation& b) {
  if (a.kind() != b.kind()) {
    return a.kind() < b.kind() ? -1 : 1;
  }
  const int order = a.path().compare(b.path());
  return order != 0 ? order : Question(a).compare(Question(b));
}

}  // namespace

PathSet Canonical(PathSet path_set) {
  auto* observations = path_set.mutable_observations();
  // In place: messages are neither copied nor moved.
  std::stable_sort(observations->pointer_begin(), observations->pointer_end(),
                   [](const Observation* a, const Observation* b) {
                     return Compare(*a, *b) < 0;
                   });
  int kept = 0;
  for (int i = 0; i < observations->size(); ++i) {
    if (kept == 0 ||
        Compare(observations->Get(kept - 1), observations->Get(i)) != 0) {
      observations->SwapElements(i, kept++);
    }
  }
  observations->DeleteSubrange(kept, observations->size() - kept);
  return path_set;
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
