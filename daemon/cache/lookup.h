// SPDX-License-Identifier: Apache-2.0
//
// The two phases of a lookup (docs/ARCHITECTURE.md, "The cache model"), and
// what a miss is explained with. Reads the tables, writes nothing.

#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/container/flat_hash_set.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

#include "daemon/base/consulted.h"
#include "daemon/base/digest.h"
#include "daemon/cache/action_cache.h"
#include "daemon/cache/details.h"
#include "daemon/cache/evaluate.h"
#include "daemon/cache/in_use.h"
#include "daemon/cache/parts.h"
#include "daemon/fingerprint/observe.h"
#include "daemon/store/database.h"
#include "vtask/storage/v1/storage.pb.h"

namespace vt::cache {

// One lookup: what it observed once it does not ask again. Thread-compatible.
// Blocking.
class Search {
 public:
  // All must outlive this. `weak` is that of `key`.
  Search(const store::Database& database, const InUse& in_use,
         const ActionKey& key, const base::Digest& weak,
         fingerprint::World world);
  Search(const Search&) = delete;
  Search& operator=(const Search&) = delete;

  // See ActionCache::Lookup.
  LookupResult Find(const Evaluation& before);

  // After a Find that hit: the reference of the path set, and its place. One
  // that was known before has none, and place 0.
  const vtask::storage::v1::WeakEntry::Ref& hit_ref() const {
    return known_.path_sets(hit_index_);
  }
  int hit_index() const { return hit_index_; }

  // See ActionCache::Describe.
  Details Describe(const LookupResult& found);

 private:
  absl::StatusOr<Hit> TryAgain(const Evaluation& before) const;
  absl::StatusOr<Hit> TryPathSet(int index);
  using Directories = absl::flat_hash_set<absl::string_view>;
  uint64_t ExpectInputs(const vtask::storage::v1::PathSet& path_set) const;
  uint64_t ExpectOutputs(const vtask::storage::v1::Result& result) const;
  // Of each directory below the root one path is enough, for `*seen`.
  void ExpectPath(const std::string& path, Directories* seen,
                  base::Consulted* expected) const;
  std::vector<vtask::storage::v1::Value> Evaluate(
      const vtask::storage::v1::PathSet& path_set, Evaluation* evaluation);
  absl::Status LoadResultOf(Hit* hit) const;
  Miss Explain();
  bool CompareWith(const base::Digest& strong, Miss* miss);
  absl::StatusOr<vtask::storage::v1::PathSet> LoadPathSetOf(
      const vtask::storage::v1::Result& result) const;

  const store::Database& database_;
  const InUse& in_use_;
  const ActionKey& key_;
  const base::Digest weak_;
  const fingerprint::World world_;
  Evaluator evaluator_;
  vtask::storage::v1::WeakEntry known_;
  int hit_index_ = -1;
};

}  // namespace vt::cache
