// SPDX-License-Identifier: Apache-2.0
//
// Evaluates whole path sets, asking for each observation once.

#pragma once

#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"

#include "daemon/fingerprint/observe.h"
#include "vtask/storage/v1/storage.pb.h"

namespace vt::cache {

// Sorts by (kind, path) and drops repeats, as storage.proto wants it.
vtask::storage::v1::PathSet Canonical(vtask::storage::v1::PathSet path_set);

// Makes `values` (aligned with `path_set`) what the strong fingerprint takes:
// of a file whose content is observed too, the size says nothing new, but it
// would differ between clones if the file names the root (pnpm's `.bin` scripts
// do); and what a tool said is not an input.
std::vector<vtask::storage::v1::Value> ForFingerprint(
    const vtask::storage::v1::PathSet& path_set,
    std::vector<vtask::storage::v1::Value> values);

// One lookup's view of the world: what was observed once is not asked again, so
// that all path sets see the same. Thread-compatible. Blocking.
class Evaluator {
 public:
  // `world` must outlive this.
  explicit Evaluator(const fingerprint::World* world) : world_(world) {}

  const vtask::storage::v1::Value& Observe(
      const vtask::storage::v1::Observation& observation);
  std::vector<vtask::storage::v1::Value> Evaluate(
      const vtask::storage::v1::PathSet& path_set);

 private:
  const fingerprint::World* world_;
  absl::flat_hash_map<std::string, vtask::storage::v1::Value> known_;
};

}  // namespace vt::cache
