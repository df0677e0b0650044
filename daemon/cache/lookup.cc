// SPDX-License-Identifier: Apache-2.0

#include "daemon/cache/lookup.h"

#include <sys/stat.h>

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

#include "daemon/base/consulted.h"
#include "daemon/base/near_files.h"
#include "daemon/base/path.h"
#include "daemon/base/status.h"
#include "daemon/cache/obstacles.h"
#include "daemon/cache/records.h"

namespace vt::cache {
namespace {

using vtask::storage::v1::Observation;
using vtask::v1::Difference;

// That a directory has come says nothing beside what has come in it (R-MISS-8).
void DropImplied(std::vector<Difference>* differences) {
  const auto has_come = [](const Difference& difference) {
    return difference.kind() == Difference::FILE &&
           difference.change() == Difference::ADDED;
  };
  absl::flat_hash_set<std::string> directories;
  for (const Difference& difference : *differences) {
    if (!has_come(difference)) {
      continue;
    }
    for (absl::string_view up = base::Dirname(difference.path()); !up.empty();
         up = base::Dirname(up)) {
      directories.insert(std::string(up));
    }
  }
  differences->erase(
      std::remove_if(differences->begin(), differences->end(),
                     [&](const Difference& difference) {
                       return has_come(difference) &&
                              directories.contains(difference.path());
                     }),
      differences->end());
}

bool IsOfOneFile(Observation::Kind kind) {
  return kind == Observation::CONTENT || kind == Observation::METADATA ||
         kind == Observation::EXISTENCE || kind == Observation::LINK ||
         kind == Observation::EXECUTED;
}

// To who notes what this thread consults.
void NoteWhole(Evaluation evaluation) {
  for (Evaluation::Part& part : evaluation.parts) {
    base::NotesOfThread()->Add(std::move(part.consulted));
  }
}

}  // namespace

using store::Table;
using vtask::storage::v1::PathSet;
using vtask::storage::v1::Position;
using vtask::storage::v1::Result;
using vtask::storage::v1::Value;
using vtask::storage::v1::WeakEntry;

Search::Search(const store::Database& database, const InUse& in_use,
               const ActionKey& key, const base::Digest& weak,
               fingerprint::World world)
    : database_(database),
      in_use_(in_use),
      key_(key),
      weak_(weak),
      world_(std::move(world)),
      evaluator_(&world_) {}

LookupResult Search::Find(const Evaluation& before) {
  LookupResult found;
  if (!before.path_set.empty()) {
    absl::StatusOr<Hit> hit = TryAgain(before);
    if (hit.ok()) {
      hit_index_ = 0;
      found.hit = *std::move(hit);
      return found;
    }
  }
  std::string note;
  absl::StatusOr<WeakEntry> entry =
      LoadRecord<WeakEntry>(database_, Table::kWeak, weak_.AsBytes());
  if (entry.ok()) {
    known_ = *std::move(entry);
  } else if (!absl::IsNotFound(entry.status())) {
    note = std::string(entry.status().message());
  }
  for (int i = 0; i < known_.path_sets_size(); ++i) {
    absl::StatusOr<Hit> hit = TryPathSet(i);
    if (hit.ok()) {
      hit_index_ = i;
      found.hit = *std::move(hit);
      return found;
    }
    if (!absl::IsNotFound(hit.status())) {
      note = std::string(hit.status().message());
    }
  }
  found.miss = Explain();
  if (!note.empty()) {
    found.miss.note = absl::StrCat("the cache is damaged: ", note);
  }
  return found;
}

// Phase two where it is known what it came to. NOT_FOUND: to something else.
absl::StatusOr<Hit> Search::TryAgain(const Evaluation& before) const {
  const base::NearScope near;
  Hit hit;
  VT_RETURN_IF_ERROR(LoadInto(database_, Table::kPathSets, before.path_set,
                              &*hit.path_set));
  const std::vector<std::vector<int>> parts = PartsOf(*hit.path_set);
  if (parts.size() != before.parts.size()) {
    return absl::NotFoundError("nothing is known of it");
  }
  hit.evaluation = before;
  for (size_t i = 0; i < parts.size(); ++i) {
    Evaluation::Part& part = hit.evaluation.parts[i];
    if (part.is_current) {
      continue;
    }
    const base::ConsultedScope scope(&part.consulted);
    std::vector<Value> values;
    for (const int index : parts[i]) {
      values.push_back(
          fingerprint::Observe(hit.path_set->observations(index), world_));
    }
    if (fingerprint::ValuesDigest(values) != part.values) {
      return absl::NotFoundError("something has changed");
    }
  }
  hit.strong = before.strong;
  VT_RETURN_IF_ERROR(LoadResultOf(&hit));
  return hit;
}

// That what `path_set` asks of files is going to be looked at.
uint64_t Search::ExpectInputs(const PathSet& path_set) const {
  base::Consulted expected;
  Directories seen;
  for (const Observation& observation : path_set.observations()) {
    if (observation.kind() == Observation::LISTING) {
      expected.listings.push_back(
          {fingerprint::AbsolutePath(key_.root, observation.path())});
    } else if (IsOfOneFile(observation.kind())) {
      ExpectPath(observation.path(), &seen, &expected);
    }
  }
  return base::Expect(expected);
}

// The same of outputs, and of what would be in their way.
uint64_t Search::ExpectOutputs(const Result& result) const {
  base::Consulted expected;
  Directories seen;
  for (const vtask::storage::v1::Output& output : result.outputs()) {
    ExpectPath(output.path(), &seen, &expected);
  }
  for (const vtask::storage::v1::Deletion& deletion : result.deletions()) {
    ExpectPath(deletion.path(), &seen, &expected);
  }
  return base::Expect(expected);
}

void Search::ExpectPath(const std::string& path, Directories* seen,
                        base::Consulted* expected) const {
  const bool is_outside = absl::StartsWith(path, "/");
  if (!seen->insert(base::Dirname(path)).second && !is_outside) {
    return;
  }
  std::string name = fingerprint::AbsolutePath(key_.root, path);
  // Few, and often the same for all: libraries, programs.
  struct stat status = {};
  const bool has_other_names = is_outside &&
                               ::lstat(name.c_str(), &status) == 0 &&
                               S_ISREG(status.st_mode) && status.st_nlink > 1;
  expected->paths.push_back(
      {std::move(name), /*follows=*/false, has_other_names});
}

// All of `path_set`; in parts, if somebody notes what is consulted.
std::vector<Value> Search::Evaluate(const PathSet& path_set,
                                    Evaluation* evaluation) {
  if (base::NotesOfThread() == nullptr) {
    return evaluator_.Evaluate(path_set);
  }
  const uint64_t since = ExpectInputs(path_set);
  const base::NearScope near;
  std::vector<Value> values(static_cast<size_t>(path_set.observations_size()));
  for (const std::vector<int>& indices : PartsOf(path_set)) {
    Evaluation::Part& part = evaluation->parts.emplace_back();
    part.consulted.since = since;
    const base::ConsultedScope scope(&part.consulted);
    std::vector<Value> of_part;
    for (const int index : indices) {
      of_part.push_back(evaluator_.Observe(path_set.observations(index)));
    }
    part.values = fingerprint::ValuesDigest(of_part);
    for (size_t i = 0; i < indices.size(); ++i) {
      values[static_cast<size_t>(indices[i])] = std::move(of_part[i]);
    }
  }
  return values;
}

// Phase two for one path set of the weak fingerprint. NOT_FOUND: no result.
absl::StatusOr<Hit> Search::TryPathSet(int index) {
  const std::string& digest = known_.path_sets(index).path_set();
  Hit hit;
  VT_RETURN_IF_ERROR(
      LoadInto(database_, Table::kPathSets, digest, &*hit.path_set));
  std::vector<Value> values = Evaluate(*hit.path_set, &hit.evaluation);
  hit.evaluation.path_set = digest;
  hit.strong = fingerprint::StrongFingerprint(
      weak_, base::Digest::FromBytes(digest),
      ForFingerprint(*hit.path_set, std::move(values)));
  hit.evaluation.strong = hit.strong;
  const absl::Status loaded = LoadResultOf(&hit);
  if (!loaded.ok() || index > 0) {
    // What an earlier path set asked was not asked again (Evaluator): only all
    // of them together have consulted everything.
    NoteWhole(std::move(hit.evaluation));
    hit.evaluation = {};
  }
  VT_RETURN_IF_ERROR(loaded);
  return hit;
}

// NOT_FOUND: there is none, or it may not be restored.
absl::Status Search::LoadResultOf(Hit* hit) const {
  hit->lease = in_use_.LeaseResult(hit->strong);  // first: see InUse
  const Result& result = *hit->result;
  VT_RETURN_IF_ERROR(
      LoadResult(database_, hit->strong, key_.root, &*hit->result));
  if (result.values_size() != hit->path_set->observations_size()) {
    return absl::DataLossError("a result does not fit its path set");
  }
  if (base::Consulted* notes = base::NotesOfThread();
      notes != nullptr && notes->is_empty()) {
    notes->since = ExpectOutputs(result);
  }
  if (!FindObstacles(key_.root, result, world_.files).empty()) {
    return absl::NotFoundError("something is in the way of its outputs");
  }
  return absl::OkStatus();
}

Miss Search::Explain() {
  Miss miss;
  const absl::StatusOr<Position> last = LoadRecord<Position>(
      database_, Table::kPositions, PositionKey(key_.root, key_.position));
  if (last.ok() && last->weak() != weak_.AsBytes()) {
    miss.partial = true;
    miss.differences =
        fingerprint::DescribeDifferences(last->description(), key_.description);
    if (miss.differences.empty()) {
      // The same in all we can name: the way it is fingerprinted changed.
      auto& difference = miss.differences.emplace_back();
      difference.set_kind(vtask::v1::Difference::FORMAT);
      difference.set_change(vtask::v1::Difference::CHANGED);
    }
    return miss;
  }
  if (last.ok() &&
      CompareWith(base::Digest::FromBytes(last->strong()), &miss)) {
    return miss;
  }
  const absl::StatusOr<Position> of_weak =
      LoadRecord<Position>(database_, Table::kPositions, LastOfWeakKey(weak_));
  if (of_weak.ok() &&
      CompareWith(base::Digest::FromBytes(of_weak->strong()), &miss)) {
    return miss;
  }
  miss.first_run = !last.ok();
  if (last.ok() && miss.note.empty()) {
    miss.note = "the earlier result is no longer in the cache";
  }
  return miss;
}

// NOT_FOUND also if it does not fit.
absl::StatusOr<PathSet> Search::LoadPathSetOf(const Result& result) const {
  VT_ASSIGN_OR_RETURN(
      PathSet path_set,
      LoadRecord<PathSet>(database_, Table::kPathSets, result.path_set()));
  if (path_set.observations_size() != result.values_size()) {
    return absl::NotFoundError("a result does not fit its path set");
  }
  return path_set;
}

// Against the result `strong`; false if nothing can be said.
bool Search::CompareWith(const base::Digest& strong, Miss* miss) {
  // One that is bound to another root still tells what changed.
  const absl::StatusOr<Result> result =
      LoadAnyResult(database_, strong, key_.root);
  if (!result.ok()) {
    return false;
  }
  const absl::StatusOr<PathSet> path_set = LoadPathSetOf(*result);
  if (!path_set.ok()) {
    return false;
  }
  const std::vector<Value> now =
      ForFingerprint(*path_set, evaluator_.Evaluate(*path_set));
  for (int i = 0; i < result->values_size(); ++i) {
    fingerprint::AppendDifferences(path_set->observations(i), result->values(i),
                                   now[static_cast<size_t>(i)],
                                   &miss->differences);
  }
  if (miss->differences.empty()) {
    // Nothing else differs: somebody put something in its outputs' place.
    for (Obstacle& obstacle : FindObstacles(key_.root, *result, world_.files)) {
      Difference& difference = miss->differences.emplace_back();
      difference.set_kind(Difference::FILE);
      difference.set_change(Difference::CHANGED);
      difference.set_path(std::move(obstacle.path));
    }
  }
  fingerprint::SortDifferences(&miss->differences);
  DropImplied(&miss->differences);
  if (miss->differences.empty()) {
    miss->note =
        "an equal result names another directory, so it counts only "
        "there";
    return false;
  }
  miss->note.clear();
  return true;
}

Details Search::Describe(const LookupResult& found) {
  absl::StatusOr<Result> result = absl::NotFoundError("");
  if (found.hit.has_value()) {
    result = *found.hit->result;
  } else if (const absl::StatusOr<Position> last =
                 LoadRecord<Position>(database_, Table::kPositions,
                                      PositionKey(key_.root, key_.position));
             last.ok() && !found.miss.partial) {
    result = LoadAnyResult(database_, base::Digest::FromBytes(last->strong()),
                           key_.root);
  }
  if (!result.ok()) {
    return {};
  }
  const absl::StatusOr<PathSet> path_set = LoadPathSetOf(*result);
  if (!path_set.ok()) {
    return {};
  }
  return DescribeResult(
      key_.description, *result, *path_set,
      ForFingerprint(*path_set, evaluator_.Evaluate(*path_set)));
}

}  // namespace vt::cache
