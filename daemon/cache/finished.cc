// SPDX-License-Identifier: Apache-2.0

#include "daemon/cache/finished.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <optional>
#include <string>
#include <utility>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/str_cat.h"

#include "daemon/base/mutex.h"
#include "daemon/base/near_files.h"
#include "daemon/base/parallel.h"
#include "daemon/base/path.h"

namespace vt::cache {
namespace {

using fingerprint::FileState;
using fingerprint::World;
using vtask::storage::v1::Member;
using vtask::storage::v1::Observation;
using vtask::storage::v1::PathSet;
using vtask::storage::v1::Value;
using vtask::v1::NotStored;

bool IsOfFiles(Observation::Kind kind) {
  switch (kind) {
    case Observation::CONTENT:
    case Observation::METADATA:
    case Observation::EXISTENCE:
    case Observation::LINK:
    case Observation::LISTING:
    case Observation::GLOB:
    case Observation::EXECUTED:
      return true;
    default:
      return false;
  }
}

int64_t ToNs(const struct statx_timestamp& t) {
  return t.tv_sec * 1'000'000'000 + t.tv_nsec;
}

class FinishedEvaluator {
 public:
  FinishedEvaluator(const FinishedAction& finished, const World& world)
      : finished_(finished),
        world_(world),
        started_ns_(absl::ToUnixNanos(finished.started)),
        // Without a look at the file clock: its tick is 10 ms at most.
        start_tick_ns_(finished.started_file_clock_ns != 0
                           ? finished.started_file_clock_ns
                           : started_ns_ - 10'000'000) {
    for (const std::string& path : finished.own_changes) {
      own_.insert(path);
      own_directories_.insert(std::string(base::Dirname(path)));
    }
  }

  // Into `*value`; false if an input changed: then `*changed` says which. For
  // several threads at once.
  bool Evaluate(const Observation& observation, Value* value,
                std::string* changed) const {
    if (observation.rebuildable()) {
      value->set_type(Value::REBUILDABLE);
      return true;
    }
    const Value* known = KnownValueOf(observation);
    if (observation.kind() == Observation::GLOB) {
      return EvaluateGlob(observation, known, value, changed);
    }
    if (known != nullptr) {
      *value = *known;
      return true;
    }
    FileState seen;
    *value = fingerprint::Observe(observation, world_, &seen);
    if (!IsAtRest(observation, seen)) {
      return Changed(observation.path(), changed);
    }
    if (observation.kind() == Observation::PROGRAM) {
      return value->type() == Value::MISSING || IsFromBefore(seen) ||
             WasReadBefore(seen) || Changed(observation.path(), changed);
    }
    if (!IsOfFiles(observation.kind()) || own_.contains(observation.path())) {
      return true;
    }
    if (const auto found = finished_.found.find(observation.path());
        found != finished_.found.end()) {
      const bool was_there = found->second == Found::kThere;
      // Only a directory could be listed.
      const bool is_as_found =
          was_there && observation.kind() == Observation::LISTING
              ? value->type() == Value::DIRECTORY
              : was_there == (value->type() != Value::MISSING);
      if (!is_as_found) {
        return Changed(observation.path(), changed);
      }
      if (!was_there) {
        // As it was told: what stands on the way now may be the action's own.
        value->set_mode(found->second == Found::kBlocked ? fingerprint::kBlocked
                                                         : 0);
      }
    }
    if (observation.kind() == Observation::LISTING) {
      return ListingIsUnchanged(observation.path(), *value, changed);
    }
    if (seen.type == value->type() && IsFromBefore(seen)) {
      return true;
    }
    return FileIsUnchanged(observation.path(),
                           observation.kind() == Observation::EXECUTED,
                           value->type(), changed);
  }

 private:
  const Value* KnownValueOf(const Observation& observation) const {
    if (finished_.known_values.empty()) {
      return nullptr;  // as of most actions, which change no input
    }
    const auto known = finished_.known_values.find(KnownValueKey(observation));
    return known == finished_.known_values.end() ? nullptr : &known->second;
  }

  static bool Changed(const std::string& path, std::string* changed) {
    *changed = path;
    return false;
  }

  bool IsFromBefore(const FileState& state) const {
    return state.type != Value::MISSING && state.ctime_ns < start_tick_ns_;
  }

  // Its time is not to be believed while somebody truncates it (sighting.h).
  bool IsAtRest(const Observation& observation, const FileState& seen) const {
    if (seen.type != Value::FILE) {
      return true;
    }
    if (observation.kind() == Observation::METADATA) {
      const std::string name =
          fingerprint::AbsolutePath(world_.root, observation.path());
      return fingerprint::IsAtRest(base::FindNear(name), seen.size,
                                   seen.ctime_ns);
    }
    return !seen.content.has_value() || seen.known_since_ns != 0;
  }

  bool WasReadBefore(const FileState& state) const {
    return state.known_since_ns != 0 && state.known_since_ns <= started_ns_;
  }

  bool FileIsUnchanged(const std::string& path, bool is_executed,
                       Value::Type type, std::string* changed) const {
    if (type == Value::DIRECTORY) {
      return !HasComeAsDirectory(path) || Changed(path, changed);
    }
    if (type != Value::FILE && type != Value::SYMLINK) {
      return true;
    }
    const std::string root = is_executed ? "" : world_.root;
    const std::string name = fingerprint::AbsolutePath(world_.root, path);
    FileState state =
        world_.files->Look(root, name, is_executed, /*want_content=*/false);
    if (IsFromBefore(state)) {
      return true;
    }
    // So young that the clock does not tell. Had we read it before?
    state = world_.files->Look(root, name, is_executed, /*want_content=*/true);
    return WasReadBefore(state) || Changed(path, changed);
  }

  bool ListingIsUnchanged(const std::string& path, const Value& value,
                          std::string* changed) const {
    if (value.type() != Value::DIRECTORY) {
      return true;
    }
    if (own_directories_.contains(path)) {
      // The action moved its time itself. An entry of somebody else may have
      // come after it was listed; one that has gone is not noticed.
      for (const Member& member : value.members()) {
        const std::string child = base::JoinPath(path, member.name());
        if (!own_.contains(child) && HasJustCome(child)) {
          return Changed(child, changed);
        }
      }
      return true;
    }
    const FileState state = world_.files->Look(
        world_.root, fingerprint::AbsolutePath(world_.root, path),
        /*follow=*/false, /*want_content=*/false);
    return state.mtime_ns < start_tick_ns_ || Changed(path, changed);
  }

  struct Stamps {
    int64_t modified_ns;
    int64_t changed_ns;
    std::optional<int64_t> born_ns;  // where the file system knows
  };

  // Of what stands at `path` itself. nullopt: it cannot be looked at.
  std::optional<Stamps> StampsOf(const std::string& path) const {
    const std::string name = fingerprint::AbsolutePath(world_.root, path);
    struct statx st = {};
    if (::statx(AT_FDCWD, name.c_str(), AT_SYMLINK_NOFOLLOW,
                STATX_BASIC_STATS | STATX_BTIME, &st) != 0) {
      return std::nullopt;
    }
    Stamps stamps = {ToNs(st.stx_mtime), ToNs(st.stx_ctime), std::nullopt};
    if ((st.stx_mask & STATX_BTIME) != 0) {
      stamps.born_ns = ToNs(st.stx_btime);
    }
    return stamps;
  }

  // Whether it was made or moved there since the start: in the place of a link
  // or file that the action saw. Entries come and go all the time, and that
  // changes both its times; a renaming only the one.
  bool HasComeAsDirectory(const std::string& path) const {
    const std::optional<Stamps> stamps = StampsOf(path);
    return !stamps.has_value() ||
           (stamps->born_ns.has_value() &&
            *stamps->born_ns >= start_tick_ns_) ||
           (stamps->changed_ns >= start_tick_ns_ &&
            stamps->modified_ns < start_tick_ns_);
  }

  // Whether the name is younger than the start: made, renamed or linked. A
  // change of what is there moves mtime and ctime to the same moment.
  bool HasJustCome(const std::string& path) const {
    const std::optional<Stamps> stamps = StampsOf(path);
    return !stamps.has_value() || (stamps->changed_ns >= start_tick_ns_ &&
                                   (!stamps->born_ns.has_value() ||
                                    *stamps->born_ns >= start_tick_ns_ ||
                                    stamps->changed_ns != stamps->modified_ns));
  }

  // Explicit inputs count as they were before the run, if the caller looked
  // and must still be that, but for what the action did itself.
  bool EvaluateGlob(const Observation& observation, const Value* before,
                    Value* value, std::string* changed) const {
    const Value now = fingerprint::Observe(observation, world_);
    for (const Member& member : now.members()) {
      if (!own_.contains(member.name()) &&
          !FileIsUnchanged(member.name(), /*is_executed=*/false, member.type(),
                           changed)) {
        return false;
      }
    }
    *value = before == nullptr ? now : *before;
    std::vector<vtask::v1::Difference> differences;
    fingerprint::AppendDifferences(observation, *value, now, &differences);
    for (const vtask::v1::Difference& difference : differences) {
      if (!own_.contains(difference.path())) {
        return Changed(difference.path(), changed);
      }
    }
    return true;
  }

  const FinishedAction& finished_;
  const World& world_;
  const int64_t started_ns_;
  // Whatever happened after the start left a time that is not smaller.
  const int64_t start_tick_ns_;
  absl::flat_hash_set<std::string> own_;
  absl::flat_hash_set<std::string> own_directories_;
};

}  // namespace

std::pair<int, std::string> KnownValueKey(const Observation& observation) {
  std::string name = observation.path();
  for (const vtask::storage::v1::Glob& glob : observation.globs()) {
    absl::StrAppend(&name, glob.negative() ? "!" : "", glob.pattern(), "\n");
  }
  return {static_cast<int>(observation.kind()), std::move(name)};
}

std::optional<std::vector<Value>> EvaluateFinished(
    const PathSet& path_set, const FinishedAction& finished, const World& world,
    NotStored* why) {
  // Enough to be worth another thread.
  constexpr size_t kAtOnce = 32;
  const FinishedEvaluator evaluator(finished, world);
  const auto count = static_cast<size_t>(path_set.observations_size());
  std::vector<Value> values(count);
  base::Mutex mutex;
  size_t first = count;  // of those that changed: the first, every time
  std::string changed;
  base::ParallelFor(count, kAtOnce, [&](size_t from, size_t to) {
    const base::NearScope near;
    for (size_t i = from; i < to; ++i) {
      std::string path;
      if (!evaluator.Evaluate(path_set.observations(static_cast<int>(i)),
                              &values[i], &path)) {
        const base::MutexLock lock(&mutex);
        if (i < first) {
          first = i;
          changed = std::move(path);
        }
        return;
      }
    }
  });
  if (first < count) {
    why->set_reason(NotStored::INPUT_CHANGED);
    why->set_path(changed);
    why->set_text("an input changed while the task ran:");
    return std::nullopt;
  }
  return values;
}

}  // namespace vt::cache
