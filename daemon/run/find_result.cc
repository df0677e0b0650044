// SPDX-License-Identifier: Apache-2.0

#include "daemon/run/find_result.h"

#include <utility>

#include "absl/strings/str_cat.h"

#include "daemon/base/path.h"
#include "daemon/fingerprint/observe.h"
#include "daemon/watch/computation.h"

namespace vt::run {
namespace {

namespace storage = vtask::storage::v1;

bool HasPositiveGlob(const storage::InputConfig& input) {
  for (const storage::Glob& glob : input.globs()) {
    if (!glob.negative()) {
      return true;
    }
  }
  return false;
}

storage::Value ObserveGlobs(cache::ActionCache* cache,
                            const cache::ActionKey& key) {
  storage::Observation globs;
  globs.set_kind(storage::Observation::GLOB);
  *globs.mutable_globs() = key.description.input().globs();
  fingerprint::World world;
  world.root = key.root;
  world.files = &cache->files();
  return fingerprint::Observe(globs, world);
}

// To the action around it is as if this one had run and made its outputs, also
// if nothing on the disk needs to change.
void TellEnclosing(const track::ChangeSink& enclosing, const std::string& root,
                   const storage::Result& result) {
  if (!enclosing) {
    return;
  }
  for (const storage::Output& output : result.outputs()) {
    TellRestored(enclosing, root, base::JoinPath(root, output.path()),
                 /*remove=*/false);
  }
  for (const storage::Deletion& deletion : result.deletions()) {
    TellRestored(enclosing, root, base::JoinPath(root, deletion.path()),
                 /*remove=*/true);
  }
}

// Everything of `hit` but its events.
absl::Status UseHit(cache::ActionCache* cache, const cache::ActionKey& key,
                    const cache::Hit& hit, const FindOptions& options,
                    Found* found) {
  absl::StatusOr<std::vector<storage::LogChunk>> log = cache->ReadLog(hit);
  if (!log.ok()) {
    return log.status();
  }
  found->log = *std::move(log);
  found->saved_us = hit.result->duration_us();
  TellEnclosing(options.enclosing, key.root, *hit.result);
  return cache->Restore(key, hit, &found->notes);
}

// What would have to be kept in memory (a guess).
constexpr size_t kMaxKnownLog = 256 << 10;

size_t SizeOf(const std::vector<storage::LogChunk>& log) {
  size_t size = 0;
  for (const storage::LogChunk& chunk : log) {
    size += chunk.data().size();
  }
  return size;
}

// What is known of it, with marks on what still holds.
cache::Evaluation Now(const KnownHit& known) {
  cache::Evaluation evaluation = known.evaluation;
  for (size_t i = 0; i < evaluation.parts.size(); ++i) {
    const watch::LeasePtr& lease = known.leases[i];
    evaluation.parts[i].is_current = lease != nullptr && lease->holds();
  }
  return evaluation;
}

// Those that hold stay as they are.
Leases TakeLeases(const std::string& root, const KnownHit* known,
                  cache::Evaluation* evaluation,
                  watch::Computation* computation) {
  std::vector<const base::Consulted*> looked_at;
  for (const cache::Evaluation::Part& part : evaluation->parts) {
    if (!part.is_current) {
      looked_at.push_back(&part.consulted);
    }
  }
  const Leases taken = computation->Finish(root, looked_at);
  Leases leases;
  auto next = taken.begin();
  for (size_t i = 0; i < evaluation->parts.size(); ++i) {
    cache::Evaluation::Part& part = evaluation->parts[i];
    leases.push_back(part.is_current ? known->leases[i] : *next++);
    part.consulted = {};
  }
  leases.push_back(*next);
  return leases;
}

Found Find(cache::ActionCache* cache, const cache::ActionKey& key,
           const FindOptions& options) {
  Found found;
  found.lookup =
      cache->Lookup(key, options.known == nullptr ? cache::Evaluation{}
                                                  : Now(*options.known));
  if (options.refresh && found.lookup.hit.has_value()) {
    found.lookup.hit.reset();
    found.forced = true;
  }
  if (options.wants_details) {
    found.details = cache->Describe(key, found.lookup);
  }
  if (found.lookup.hit.has_value()) {
    const absl::Status used =
        UseHit(cache, key, *found.lookup.hit, options, &found);
    found.restored = used.ok();
    if (!found.restored) {
      found.notes.push_back(
          absl::StrCat("a recorded result could not be restored, so it runs: ",
                       used.message()));
    }
  }
  if (!found.restored && HasPositiveGlob(key.description.input())) {
    found.globs_before = ObserveGlobs(cache, key);
  }
  return found;
}

}  // namespace

Found FindResult(cache::ActionCache* cache, const cache::ActionKey& key,
                 const FindOptions& options) {
  watch::Computation computation(options.watcher, key.root);
  Found found = Find(cache, key, options);
  if (found.restored && found.notes.empty() && options.watcher != nullptr &&
      SizeOf(found.log) <= kMaxKnownLog) {
    found.leases = TakeLeases(key.root, options.known.get(),
                              &found.lookup.hit->evaluation, &computation);
  }
  return found;
}

}  // namespace vt::run
