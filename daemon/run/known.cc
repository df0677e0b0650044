// SPDX-License-Identifier: Apache-2.0

#include "daemon/run/known.h"

#include <algorithm>

#include "daemon/fingerprint/sink.h"

namespace vt::run {
namespace {

// Bounds of memory, all guesses. A hit takes about 1 KiB.
constexpr size_t kMaxHits = 20'000;
constexpr size_t kMaxWorkspaces = 8;
constexpr size_t kMaxRuns = 16;

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

bool AllHold(const Leases& leases) {
  return std::all_of(leases.begin(), leases.end(),
                     [](const watch::LeasePtr& lease) {
                       return lease != nullptr && lease->holds();
                     });
}

base::Digest EnvDigest(const base::EnvMap& env) {
  fingerprint::HashingSink sink;
  for (const auto& [name, value] : env) {
    sink.Bytes(name, value);
  }
  return sink.Finish();
}

const KnownHit* KnownHits::Find(const std::string& root,
                                const std::string& position,
                                const base::Digest& weak,
                                const base::Digest& env,
                                uint64_t cache_generation) const {
  const auto found = hits_.find(std::make_pair(root, position));
  if (found == hits_.end()) {
    return nullptr;
  }
  const KnownHit& hit = found->second;
  return hit.weak == weak && hit.env == env &&
                 hit.cache_generation == cache_generation && hit.lease->holds()
             ? &hit
             : nullptr;
}

void KnownHits::Keep(const std::string& root, const std::string& position,
                     KnownHit hit) {
  if (hits_.size() >= kMaxHits) {
    hits_.clear();
  }
  hits_[std::make_pair(root, position)] = std::move(hit);
}

void KnownHits::Forget(const std::string& root, const std::string& position) {
  hits_.erase(std::make_pair(root, position));
}

const KnownWorkspace* KnownWorkspaces::Find(const std::string& cwd,
                                            const base::EnvMap& env) {
  const KnownWorkspace* known = Touch(&entries_, cwd);
  return known != nullptr && AllHold(known->rests_on) &&
                 (!known->env.has_value() || *known->env == EnvDigest(env))
             ? known
             : nullptr;
}

void KnownWorkspaces::Keep(const std::string& cwd, KnownWorkspace workspace) {
  PutFirst(&entries_, cwd, std::move(workspace), kMaxWorkspaces);
}

const KnownRun* KnownRuns::Find(const std::string& request) {
  const auto* known = Touch(&entries_, request);
  return known == nullptr ? nullptr : known->get();
}

void KnownRuns::Keep(std::string request, KnownRun run) {
  PutFirst(&entries_, std::move(request),
           std::make_unique<KnownRun>(std::move(run)), kMaxRuns);
}

void KnownRuns::Forget(const std::string& request) {
  entries_.erase(
      std::remove_if(entries_.begin(), entries_.end(),
                     [&](const auto& entry) { return entry.first == request; }),
      entries_.end());
}

}  // namespace vt::run
