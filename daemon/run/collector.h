// SPDX-License-Identifier: Apache-2.0
//
// Collector: one pass over one action (collect.h), from what was seen to what
// is stored. Paths in here are relative to the root, unless they say otherwise.
//
//   collect.cc          the pass itself, and what may spoil it
//   collect_outputs.cc  what it made and removed
//   collect_inputs.cc   what tracking saw of files
//   collect_reports.cc  what was declared, and what tools said
//   collect_nested.cc   what nested actions add to all of that
//   provenance.cc       who said what, for people

#pragma once

#include <map>
#include <set>
#include <string>
#include <tuple>
#include <vector>

#include "absl/container/btree_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/container/inlined_vector.h"
#include "absl/strings/string_view.h"

#include "daemon/base/name_patterns.h"
#include "daemon/ipc/tool_endpoint.h"
#include "daemon/run/collect.h"
#include "daemon/run/ignored_paths.h"
#include "daemon/run/patterns.h"
#include "daemon/track/access_set.h"
#include "vtask/storage/v1/storage.pb.h"

namespace vt::run {

// The `provenance` of what a tool told.
vtask::storage::v1::Provenance ProvenanceOf(const ipc::ToolOrigin& origin);

// Thread-compatible. Blocking.
class Collector {
 public:
  // `input` outlives this.
  explicit Collector(const CollectInput& input);

  // Call once.
  Collected Run();

 private:
  using Observation = vtask::storage::v1::Observation;
  using Value = vtask::storage::v1::Value;

  struct Key {
    int kind;
    std::string path;
    // Tells two listings or globs from each other that leave out, or look for,
    // different things; "" for the action's own.
    std::string variant;
    bool operator<(const Key& other) const {
      return std::tie(kind, path, variant) <
             std::tie(other.kind, other.path, other.variant);
    }
  };

  // collect.cc
  void CheckFlaws();
  bool Matters(const track::Flaw& flaw) const;
  void SplitAccesses();
  void Publish();
  bool IsIgnoredInput(const std::string& path) const;
  bool IsIgnoredOutput(const std::string& path) const;
  bool IsOwnContent(const std::string& path,
                    absl::string_view content_digest) const;
  Observation* Observe(Observation::Kind kind, const std::string& path,
                       const std::string& variant = "");
  // A query for many variables but those that match one of `left_out`.
  template <typename Patterns>
  Observation* ObserveQuery(Observation::Kind kind, const std::string& text,
                            const Patterns& left_out) {
    std::string variant;
    for (const std::string& pattern : left_out) {
      variant += pattern;
      variant += '\0';
    }
    Observation* const query = Observe(kind, text, variant);
    query->mutable_ignored()->Assign(left_out.begin(), left_out.end());
    return query;
  }
  void Know(const Observation& observation, Value value);
  void Rebuildable(Observation* observation);
  void NotStored(vtask::v1::NotStored::Reason reason, std::string text,
                 std::string path = "");

  // collect_outputs.cc
  void CollectOutputs();
  void CheckOutputs();
  void CollectDeletion(const std::string& path, const track::Access& access);
  void FindOwnDirectories();
  bool WasOwn(const std::string& path, const track::Access& access) const;
  void FindWaysToProducts();
  // After FindWaysToProducts.
  bool IsOwnDirectory(const std::string& directory);
  // Something else than a directory stood there before.
  static bool HadNoDirectory(const track::Access& access) {
    return access.pre_state != track::PreState::kMissing &&
           access.pre_state != track::PreState::kDirectory;
  }
  bool TookThePlaceOfAFile(const std::string& directory) const;
  bool IsMade(const std::string& path) const;

  // collect_inputs.cc
  void CollectInputs();
  void CollectAccess(const std::string& path, const track::Access& access);
  void CollectOutputDirectories();
  void CollectDirectory(const std::string& path);
  bool IsDraft(const track::Access& access) const;
  bool WasClearedAway(const std::string& path, const track::Access& access);
  using Kinds = absl::InlinedVector<Observation::Kind, 2>;
  Kinds KindsOf(const std::string& path, const track::Access& access) const;
  void KnowBefore(Observation* observation, const track::Access& access);
  bool KeepsMode(const std::string& path, const track::Access& access) const;
  bool IsAsBefore(const std::string& path, const track::Access& access) const;
  Value PreValue(Observation::Kind kind, const track::Access& access) const;
  // `left_out`: entries that do not count, beside those that never do.
  void CollectListing(const std::string& path,
                      const std::set<std::string>& left_out,
                      const std::string& variant);
  void CollectToolchain();
  void CollectProgram(const std::string& path);

  // collect_reports.cc
  void CollectGlobs();
  void CollectToolReports();
  void CollectEnv();
  std::vector<std::string> LeftOutOf(const ipc::EnvReport& query) const;
  void CollectDotenv();

  // collect_nested.cc
  void CollectNestedOutputs();
  void CollectNestedInputs();
  void TakeOver(const Seen& seen);
  void TakeOverEnv(Observation::Kind kind, const std::string& name,
                   const Observation* source);
  void TakeOverGlob(const Seen& seen);
  void TakeOverListing(const Seen& seen);
  void TakeOverFile(const Seen& seen);
  void TakeOverLeftover(const Seen& seen);
  void TakeOverChanged(const Seen& seen, const track::Access& access);
  bool IsOwnProduct(const Seen& seen, const track::Access& access) const;

  // provenance.cc
  void DescribeReports();
  vtask::storage::v1::ToolReport* Describe(
      vtask::storage::v1::ToolReport::Kind kind, const std::string& name,
      const ipc::ToolOrigin& origin);
  void DescribePaths(vtask::storage::v1::ToolReport::Kind kind,
                     const std::vector<ipc::PathReport>& reports);
  bool IsTouched(const std::string& path, bool by_writing) const;

  const CollectInput& in_;
  const IgnoredPaths ignored_inputs_, ignored_outputs_;
  const Exclusions excluded_inputs_, excluded_outputs_;
  const base::NamePatterns untracked_;
  Collected out_;
  std::map<Key, Observation> observations_;
  absl::btree_map<std::string, const track::Access*> accesses_;  // below the root
  std::map<std::string, std::set<std::string>> mutated_children_;
  std::set<std::string> mutated_, outputs_;
  // Names of programs outside of the workspace.
  std::set<std::string> programs_;
  // Outputs, what the action changed, and the directories above: an own
  // directory is one of these, and most paths are none.
  absl::flat_hash_set<std::string> ways_to_products_;
  std::map<std::string, bool> own_directories_;  // memo
  // Directories that were there, and that the action would have made.
  std::set<std::string> ensured_;
  // Outputs and deletions of nested actions. `left_alone_`: the outputs that
  // nobody changed in the end, because they were there already.
  std::set<std::string> nested_outputs_, nested_deletions_, left_alone_;
  // Outputs of nested actions that depend on what stood there.
  std::set<std::string> nested_kept_;
  // What nested actions need not find, because they make it.
  std::set<std::string> nested_rebuildable_;
  // What nested actions saw, by what is known of an observation.
  std::set<Key> nested_seen_;
};

}  // namespace vt::run
