// SPDX-License-Identifier: Apache-2.0
//
// What earlier runs have found out, for as long as nothing of it has changed:
// workspaces, plans, actions whose result is in place, and whole runs. Each
// rests on leases (daemon/watch/watcher.h); what has none that holds is done
// again. docs/FRESHNESS.md.

#pragma once

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/time/time.h"

#include "daemon/base/digest.h"
#include "daemon/base/env_query.h"
#include "daemon/cache/action_cache.h"
#include "daemon/plan/plan.h"
#include "daemon/settings/settings.h"
#include "daemon/watch/watcher.h"
#include "daemon/workspace/workspace.h"
#include "vtask/storage/v1/storage.pb.h"

namespace vt::run {

using Leases = std::vector<watch::LeasePtr>;

// Of a whole environment: two have the same only if they are equal.
base::Digest EnvDigest(const base::EnvMap& env);

// What an action is looked up for, beside the files.
struct LookupFacts {
  base::Digest weak;
  base::Digest env;  // what tools may have asked for
  mode_t umask = 0;
  uint64_t cache_generation = 0;  // ActionCache::generation at that time
  friend bool operator==(const LookupFacts& a, const LookupFacts& b) = default;
};

// Whether every one could be had, and holds.
bool AllHold(const Leases& leases);

// A hit: the inputs are those of its result, and the outputs are in place, as
// long as all leases hold. Where only some do, the lookup is made again, but
// looks at the other parts only.
struct KnownHit {
  LookupFacts facts;
  cache::Evaluation evaluation;
  // Of its parts, and as the last one that of the rest: the outputs.
  Leases leases;
  base::Digest strong;
  cache::HitUse use;
  std::vector<vtask::storage::v1::LogChunk> log;
  int64_t saved_us = 0;
  // Its position has been looked up again since, or may be without a word: what
  // holds of that is told by the newer one, or nobody knows. Loop-bound.
  mutable bool is_superseded = false;
};
using KnownHitPtr = std::shared_ptr<const KnownHit>;

// What an answer rests on.
struct Basis {
  Leases leases;
  std::vector<KnownHitPtr> hits;  // the same
  void Add(const Basis& other);
  // Whether nothing of it has changed.
  bool Holds() const;
};

// Loop-bound.
class KnownHits {
 public:
  // The hit at `position` of `root`; null if none is known.
  KnownHitPtr Find(const std::string& root, const std::string& position) const;
  // A position has one: the last.
  void Keep(const std::string& root, const std::string& position,
            KnownHitPtr hit);
  void Forget(const std::string& root, const std::string& position);
  void Clear();

 private:
  absl::flat_hash_map<std::pair<std::string, std::string>, KnownHitPtr> hits_;
};

struct KnownWorkspace {
  // Of the variables, if configurations were evaluated with them.
  std::optional<base::Digest> env;
  Basis rests_on;
  std::shared_ptr<const workspace::Workspace> workspace;
  settings::Settings settings;
};

// Which workspace a directory belongs to.
struct KnownRoot {
  std::string root;
  watch::LeasePtr lease;
};

// Few, the last used stay. Loop-bound.
class KnownWorkspaces {
 public:
  // The workspace with root `root`; null if none is known that holds.
  const KnownWorkspace* Find(const std::string& root, const base::EnvMap& env);
  void Keep(const std::string& root, KnownWorkspace workspace);
  // That of a caller's directory; the same.
  const KnownRoot* FindRoot(const std::string& cwd);
  void KeepRoot(const std::string& cwd, KnownRoot root);
  void Clear();

 private:
  // Last used first.
  std::vector<std::pair<std::string, KnownWorkspace>> entries_;
  std::vector<std::pair<std::string, KnownRoot>> roots_;
};

// What a request comes to, as long as its workspace stays the same.
struct KnownPlan {
  std::shared_ptr<const workspace::Workspace> workspace;
  watch::LeasePtr lease;  // of planning alone: programs on PATH
  std::shared_ptr<const plan::Plan> plan;
};

// By request, in full; few, the last used stay. Loop-bound.
class KnownPlans {
 public:
  // Null if none is known that holds for this very workspace.
  const KnownPlan* Find(const std::string& request,
                        const workspace::Workspace* workspace);
  // Does not keep one that is made by what is in the cache.
  void Keep(const std::string& request, KnownPlan plan);
  void Clear() { entries_.clear(); }

 private:
  // Last used first.
  std::vector<std::pair<std::string, KnownPlan>> entries_;
};

// A run of nothing but hits, and what it wrote.
struct KnownRun {
  struct Piece {
    bool is_stderr = false;
    std::string bytes;
  };
  std::string root;
  Basis rests_on;
  // ActionCache::generation when it began.
  uint64_t cache_generation = 0;
  std::vector<Piece> output;
  std::string record;  // a serialised RunRecord
};
using KnownRunPtr = std::shared_ptr<const KnownRun>;

// By request, in full; few, the last used stay. Loop-bound.
class KnownRuns {
 public:
  // Null if none is known. Whether it holds is for the caller to ask.
  KnownRunPtr Find(const std::string& request);
  void Keep(std::string request, KnownRun run);
  void Forget(const std::string& request);
  void Clear() { entries_.clear(); }

 private:
  // Last used first.
  std::vector<std::pair<std::string, KnownRunPtr>> entries_;
};

// Loop-bound.
struct Known {
  KnownHits hits;
  KnownWorkspaces workspaces;
  KnownPlans plans;
  KnownRuns runs;
  uint64_t answered_runs = 0;

  void Clear();
  // Forgets what is so old that everything is to be looked at again.
  void Refresh(absl::Time now);

 private:
  absl::Time since_ = absl::InfinitePast();
};

}  // namespace vt::run
