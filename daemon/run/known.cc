// SPDX-License-Identifier: Apache-2.0

#include "daemon/run/known.h"

#include <algorithm>

#include "daemon/fingerprint/sink.h"

namespace vt::run {
namespace {

// Bounds of memory, all guesses. A hit takes about 1 KiB.
constexpr size_t kMaxHits = 20'000;
constexpr size_t kMaxWorkspaces = 8;
constexpr size_t kMaxRoots = 64;
constexpr size_t kMaxRuns = 16;
// A step takes about 10 KiB, most of it for its environment.
constexpr size_t kMaxPlans = 4;
constexpr size_t kMaxPlannedSteps = 4000;
// What raises no event (docs/FRESHNESS.md, Limits) goes unseen for so long at
// most. A full look at 100 000 files takes half a second: once an hour.
constexpr absl::Duration kLookAgainAfter = absl::Hours(1);

// The entry of `key`, moved to the front; null if there is none.
template <typename Value>
Value* Touch(std::vector<std::pair<std::string, Value>>* entries,
             const std::string& key) {
  const auto found =
      std::find_if(entries->begin(), entries->end(),
                   [&](const auto& entry) { return entry.first == key; });
  if (found == entries->end()) {
    return nullptr;
  }
  std::rotate(entries->begin(), found, found + 1);
  return &entries->front().second;
}

template <typename Value>
void PutFirst(std::vector<std::pair<std::string, Value>>* entries,
              std::string key, Value value, size_t limit) {
  if (Value* old = Touch(entries, key)) {
    *old = std::move(value);
    return;
  }
  if (entries->size() >= limit) {
    entries->pop_back();
  }
  entries->emplace(entries->begin(), std::move(key), std::move(value));
}

}  // namespace

void Basis::Add(const Basis& other) {
  leases.insert(leases.end(), other.leases.begin(), other.leases.end());
  hits.insert(hits.end(), other.hits.begin(), other.hits.end());
}

bool AllHold(const Leases& leases) {
  return std::all_of(leases.begin(), leases.end(),
                     [](const watch::LeasePtr& lease) {
                       return lease != nullptr && lease->holds();
                     });
}

bool Basis::Holds() const {
  return AllHold(leases) &&
         std::all_of(hits.begin(), hits.end(), [](const KnownHitPtr& hit) {
           return hit != nullptr && !hit->is_superseded && AllHold(hit->leases);
         });
}

base::Digest EnvDigest(const base::EnvMap& env) {
  fingerprint::HashingSink sink;
  for (const auto& [name, value] : env) {
    sink.Bytes(name, value);
  }
  return sink.Finish();
}

KnownHitPtr KnownHits::Find(const std::string& root,
                            const std::string& position) const {
  const auto found = hits_.find(std::make_pair(root, position));
  return found == hits_.end() ? nullptr : found->second;
}

void KnownHits::Keep(const std::string& root, const std::string& position,
                     KnownHitPtr hit) {
  Forget(root, position);
  if (hits_.size() >= kMaxHits) {
    Clear();
  }
  hits_[std::make_pair(root, position)] = std::move(hit);
}

void KnownHits::Forget(const std::string& root, const std::string& position) {
  const auto found = hits_.find(std::make_pair(root, position));
  if (found != hits_.end()) {
    found->second->is_superseded = true;
    hits_.erase(found);
  }
}

void KnownHits::Clear() {
  // Whoever rests on one would hear of no later lookup at its position.
  for (const auto& [position, hit] : hits_) {
    hit->is_superseded = true;
  }
  hits_.clear();
}

const KnownWorkspace* KnownWorkspaces::Find(const std::string& root,
                                            const base::EnvMap& env) {
  const KnownWorkspace* known = Touch(&entries_, root);
  return known != nullptr && known->rests_on.Holds() &&
                 (!known->env.has_value() || *known->env == EnvDigest(env))
             ? known
             : nullptr;
}

void KnownWorkspaces::Keep(const std::string& root, KnownWorkspace workspace) {
  PutFirst(&entries_, root, std::move(workspace), kMaxWorkspaces);
}

const KnownRoot* KnownWorkspaces::FindRoot(const std::string& cwd) {
  const KnownRoot* known = Touch(&roots_, cwd);
  return known != nullptr && known->lease->holds() ? known : nullptr;
}

void KnownWorkspaces::KeepRoot(const std::string& cwd, KnownRoot root) {
  PutFirst(&roots_, cwd, std::move(root), kMaxRoots);
}

void KnownWorkspaces::Clear() {
  entries_.clear();
  roots_.clear();
}

const KnownPlan* KnownPlans::Find(const std::string& request,
                                  const workspace::Workspace* workspace) {
  const KnownPlan* known = Touch(&entries_, request);
  return known != nullptr && known->workspace.get() == workspace &&
                 known->lease->holds()
             ? known
             : nullptr;
}

void KnownPlans::Keep(const std::string& request, KnownPlan plan) {
  bool asked_cache = false;
  plan::ForEachStep(
      *plan.plan, [&](const plan::PlannedTask&, const plan::Step& step) {
        asked_cache = asked_cache || !step.program_missing.empty();
      });
  if (asked_cache) {
    return;
  }
  PutFirst(&entries_, request, std::move(plan), kMaxPlans);
  size_t steps = 0;
  for (size_t i = 0; i < entries_.size(); ++i) {
    steps += entries_[i].second.plan->tasks.size();
    if (i > 0 && steps > kMaxPlannedSteps) {
      entries_.resize(i);
    }
  }
}

KnownRunPtr KnownRuns::Find(const std::string& request) {
  const KnownRunPtr* known = Touch(&entries_, request);
  return known == nullptr ? nullptr : *known;
}

void KnownRuns::Keep(std::string request, KnownRun run) {
  PutFirst(&entries_, std::move(request),
           std::make_shared<const KnownRun>(std::move(run)), kMaxRuns);
}

void KnownRuns::Forget(const std::string& request) {
  entries_.erase(
      std::remove_if(entries_.begin(), entries_.end(),
                     [&](const auto& entry) { return entry.first == request; }),
      entries_.end());
}

void Known::Clear() {
  hits.Clear();
  workspaces.Clear();
  plans.Clear();
  runs.Clear();
}

void Known::Refresh(absl::Time now) {
  // Also if the clock was set back.
  if (now < since_ || now - since_ > kLookAgainAfter) {
    Clear();
    since_ = now;
  }
}

}  // namespace vt::run
