// SPDX-License-Identifier: Apache-2.0
//
// What earlier runs have found out, for as long as nothing of it has changed:
// workspaces, actions whose result is in place, and whole runs. Each rests on
// leases (daemon/watch/watcher.h); what has none that holds is done again.
// docs/FRESHNESS.md.

#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/time/time.h"

#include "daemon/base/digest.h"
#include "daemon/base/env_query.h"
#include "daemon/settings/settings.h"
#include "daemon/watch/watcher.h"
#include "daemon/workspace/workspace.h"
#include "vtask/storage/v1/storage.pb.h"

namespace vt::run {

using Leases = std::vector<watch::LeasePtr>;

// Whether none is null and all hold.
bool AllHold(const Leases& leases);

// Of a whole environment: two have the same only if they are equal.
base::Digest EnvDigest(const base::EnvMap& env);

// A hit: the inputs are those of its result, and the outputs are in place.
struct KnownHit {
  base::Digest weak;
  base::Digest env;  // what tools may have asked for
  // ActionCache::generation when it was looked up.
  uint64_t cache_generation = 0;
  watch::LeasePtr lease;
  std::vector<vtask::storage::v1::LogChunk> log;
  int64_t saved_us = 0;
};

// Loop-bound.
class KnownHits {
 public:
  // The hit at `position` of `root`; null if none is known that holds.
  const KnownHit* Find(const std::string& root, const std::string& position,
                       const base::Digest& weak, const base::Digest& env,
                       uint64_t cache_generation) const;
  // A position has one: the last.
  void Keep(const std::string& root, const std::string& position, KnownHit hit);
  void Forget(const std::string& root, const std::string& position);
  void Clear() { hits_.clear(); }
  bool empty() const { return hits_.empty(); }

 private:
  absl::flat_hash_map<std::pair<std::string, std::string>, KnownHit> hits_;
};

struct KnownWorkspace {
  // Of the variables, if configurations were evaluated with them.
  std::optional<base::Digest> env;
  Leases rests_on;
  std::shared_ptr<const workspace::Workspace> workspace;
  settings::Settings settings;
};

// By directory of the caller; few, the last used stay. Loop-bound.
class KnownWorkspaces {
 public:
  // Null if none is known that holds.
  const KnownWorkspace* Find(const std::string& cwd, const base::EnvMap& env);
  void Keep(const std::string& cwd, KnownWorkspace workspace);
  void Clear() { entries_.clear(); }

 private:
  // Last used first.
  std::vector<std::pair<std::string, KnownWorkspace>> entries_;
};

// A run of nothing but hits, and what it wrote.
struct KnownRun {
  struct Piece {
    bool is_stderr = false;
    std::string bytes;
  };
  std::string root;
  Leases rests_on;
  uint64_t cache_generation = 0;
  // Then it goes the whole way again, which tells the cache what is in use.
  absl::Time until;
  std::vector<Piece> output;
  // Of --last-details: a serialised RunRecord, and its number.
  std::string record;
  uint64_t record_number = 0;
};

// By request, in full; few, the last used stay. Loop-bound.
class KnownRuns {
 public:
  // Null if none is known. Whether it holds is for the caller to ask.
  const KnownRun* Find(const std::string& request);
  void Keep(std::string request, KnownRun run);
  void Forget(const std::string& request);
  void Clear() { entries_.clear(); }

 private:
  // Last used first.
  std::vector<std::pair<std::string, std::unique_ptr<KnownRun>>> entries_;
};

// Loop-bound.
struct Known {
  KnownHits hits;
  KnownWorkspaces workspaces;
  KnownRuns runs;
  // Numbers of the records that are kept for --last-details, by root.
  std::map<std::string, uint64_t> last_records;
  uint64_t next_record = 1;
  uint64_t answered_runs = 0;

  void Clear() {
    hits.Clear();
    workspaces.Clear();
    runs.Clear();
  }
};

}  // namespace vt::run
