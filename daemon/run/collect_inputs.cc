// SPDX-License-Identifier: Apache-2.0
//
// What tracking saw of files: the inputs, as they were before the action
// changed them (decisions H4), and the programs it executed (H6).

#include <utility>

#include "daemon/base/path.h"
#include "daemon/fingerprint/glob_walk.h"
#include "daemon/fingerprint/observe.h"
#include "daemon/run/collector.h"

namespace vt::run {

using track::Access;
using track::PreState;
using vtask::storage::v1::Observation;
using vtask::storage::v1::Value;

void Collector::CollectInputs() {
  for (const auto& [path, access] : accesses_) {
    if ((access->observed != 0 ||
         (!access->by_nested && (access->is_deletion || IsDraft(*access))) ||
         KeepsMode(path, *access)) &&
        !IsIgnoredInput(path)) {
      CollectAccess(path, *access);
    }
  }
  CollectOutputDirectories();
}

// Made, and gone in the end: what somebody puts there would be in the way. In a
// directory that has gone, too, nothing can be.
bool Collector::IsDraft(const Access& access) const {
  if (!access.mutated || access.pre_state != PreState::kMissing ||
      access.is_output) {
    return false;
  }
  const auto above = in_.root.size() < access.path.size()
                         ? accesses_.find(std::string(base::Dirname(
                               *base::RelativeTo(access.path, in_.root))))
                         : accesses_.end();
  return above == accesses_.end() || !above->second->mutated ||
         above->second->is_output;
}

// Nobody looks at the directory when a file in it is written; but without it,
// that would fail.
void Collector::CollectOutputDirectories() {
  std::set<std::string> done;
  for (const std::string& output : outputs_) {
    std::string path(base::Dirname(output));
    while (!path.empty() && done.insert(path).second) {
      if (!IsIgnoredInput(path)) {
        CollectDirectory(path);
      }
      path = std::string(base::Dirname(path));
    }
  }
}

// A directory that the action fills. If it is known to make it, or was seen to
// refill it (R-CACHE-16), it may be missing: a hit brings it back. Something
// else may never stand there.
void Collector::CollectDirectory(const std::string& path) {
  const auto found = accesses_.find(path);
  const Access* access = found == accesses_.end() ? nullptr : found->second;
  if (access != nullptr && access->mutated) {
    if (access->pre_state == PreState::kFile ||
        access->pre_state == PreState::kSymlink ||
        access->pre_state == PreState::kOther) {
      // It was in the way, and removed.
      Observation* observation = Observe(Observation::EXISTENCE, path);
      Know(*observation, PreValue(Observation::EXISTENCE, *access));
    } else if (IsOwnDirectory(path)) {
      Rebuildable(Observe(Observation::EXISTENCE, path));
    }
    return;  // else it is collected as any other path
  }
  // Nobody has recorded its permissions: a hit gives it the usual ones.
  const uint32_t usual = 0777 & ~in_.umask;
  const bool is_private = access != nullptr &&
                          access->ensured_mode.has_value() &&
                          access->ensured_mode != usual;
  const bool may_be_missing =
      !is_private &&
      (ensured_.contains(path) || nested_rebuildable_.contains(path) ||
       (IsOwnDirectory(path) &&
        ((access != nullptr && (access->observed & track::kListing) != 0) ||
         (IsOwnContent(path, fingerprint::DirectoryDigest().AsBytes()) &&
          in_.is_own_mode != nullptr && in_.is_own_mode(path, usual)))));
  Observation* observation = Observe(Observation::EXISTENCE, path);
  if (may_be_missing) {
    Rebuildable(observation);
  }
}

// Removed, unread, from a directory that the action empties and refills: what
// else is in there does not matter (R-CACHE-16). But a file where it wanted a
// directory it was told of: mkdir failed. And a directory where it put a file
// it would have been told of.
bool Collector::WasClearedAway(const std::string& path, const Access& access) {
  constexpr uint32_t kRead =
      track::kContent | track::kLinkText | track::kExecuted;
  const bool was_told = access.is_ensured && HadNoDirectory(access);
  return access.is_deletion && (access.observed & kRead) == 0 && !was_told &&
         !access.is_overwritten &&
         IsOwnDirectory(std::string(base::Dirname(path)));
}

void Collector::CollectAccess(const std::string& path, const Access& access) {
  if (WasClearedAway(path, access)) {
    return;
  }
  if (IsOwnDirectory(path)) {
    CollectDirectory(path);
    return;
  }
  if ((access.observed & track::kListing) != 0 && !access.missing &&
      !(access.mutated && access.pre_state == PreState::kMissing)) {
    CollectListing(path, /*left_out=*/{}, /*variant=*/"");
  }
  for (const Observation::Kind kind : KindsOf(path, access)) {
    Observation* observation = Observe(kind, path);
    if (left_alone_.contains(path) && outputs_.contains(path)) {
      Rebuildable(observation);
    } else if (access.mutated) {
      KnowBefore(observation, access);
    } else {
      out_.action.found[path] = access.is_blocked ? cache::Found::kBlocked
                                : access.missing  ? cache::Found::kMissing
                                                  : cache::Found::kThere;
    }
  }
}

// The strongest word suffices: content says all that metadata says, but times,
// which do not count.
Collector::Kinds Collector::KindsOf(const std::string& path,
                                    const Access& access) const {
  const auto saw = [&](uint32_t bits) { return (access.observed & bits) != 0; };
  Kinds kinds;
  if (saw(track::kLinkText)) {
    kinds.push_back(Observation::LINK);
  }
  // That it was there to be removed, and what is then lost, is an input: only
  // an equal file is removed by a hit (decisions H5).
  if (saw(track::kContent | track::kExecuted) ||
      (access.is_deletion && !access.by_nested &&
       access.pre_digest.has_value())) {
    kinds.push_back(Observation::CONTENT);
  } else if (saw(track::kMetadata | track::kLinkMetadata)) {
    kinds.push_back(Observation::METADATA);
  } else if (saw(track::kExistence) || IsDraft(access) ||
             KeepsMode(path, access) ||
             (access.is_deletion && access.is_overwritten) ||
             (saw(track::kListing) && access.missing)) {
    kinds.push_back(Observation::EXISTENCE);
  }
  return kinds;
}

// An output that was written over a file from before, and has its permissions:
// not those that the action gives a new file. So it matters that this one was
// there. (Which permissions it must have is said by those of the output, see
// obstacles.h.) What chmod gave it is the action's own word, or depends on what
// it found (`chmod a+X`): its own only if it gives that to a new file, too.
bool Collector::KeepsMode(const std::string& path, const Access& access) const {
  const uint32_t before = access.pre_mode & 07777;
  return access.is_kept && !access.by_nested &&
         access.pre_state == PreState::kFile && outputs_.contains(path) &&
         access.new_mode != before &&
         !(access.set_mode.has_value() && in_.is_own_mode != nullptr &&
           in_.is_own_mode(path, *access.set_mode));
}

// An input that the action then changed: the disk no longer shows what it saw
// (decisions H4).
void Collector::KnowBefore(Observation* observation, const Access& access) {
  const std::string& path = observation->path();
  const Observation::Kind kind = observation->kind();
  if (kind == Observation::LINK && access.pre_state == PreState::kSymlink) {
    // The text it had is gone: we cannot prove what was read.
    NotStored(vtask::v1::NotStored::INPUT_CHANGED,
              "the task replaced a link that it had followed:", path);
    return;
  }
  const bool was_missing = access.pre_state == PreState::kMissing;
  const bool is_restored = outputs_.contains(path);
  if (is_restored && kind == Observation::CONTENT && WasOwn(path, access)) {
    out_.action.leftovers.insert(path);
  } else if (is_restored &&
             (was_missing ? !access.is_blocked
                          : WasOwn(path, access) && !KeepsMode(path, access))) {
    Rebuildable(observation);
    return;
  }
  if (kind == Observation::CONTENT && access.pre_state == PreState::kFile &&
      !access.pre_digest.has_value()) {
    NotStored(
        vtask::v1::NotStored::DEVICE_OR_LIMIT,
        "the content it had before the task changed it is not known:", path);
    return;
  }
  if (!outputs_.contains(path) && !IsAsBefore(path, access)) {
    // After a hit it would not be as a run leaves it, and the next run reads it
    // again (tool-ipc D10).
    NotStored(vtask::v1::NotStored::INPUT_CHANGED,
              "the task read and changed what a hit would not restore:", path);
    return;
  }
  Know(*observation, PreValue(kind, access));
}

// Of a file that stands there now.
bool Collector::IsAsBefore(const std::string& path,
                           const Access& access) const {
  const fingerprint::FileState now =
      in_.files->Look(in_.root, base::JoinPath(in_.root, path),
                      /*follow=*/false, /*want_content=*/true);
  return now.type != Value::FILE ||
         (access.pre_state == PreState::kFile &&
          access.pre_digest.has_value() && now.content == access.pre_digest);
}

// What an observation saw before the action changed the path.
Value Collector::PreValue(Observation::Kind kind, const Access& access) const {
  Value value;
  switch (access.pre_state) {
    case PreState::kMissing:
      value.set_type(Value::MISSING);
      value.set_mode(access.is_blocked ? fingerprint::kBlocked : 0);
      break;
    case PreState::kFile:
      value.set_type(Value::FILE);
      value.set_mode(fingerprint::ComparedMode(Value::FILE, access.pre_mode));
      if (kind == Observation::CONTENT && access.pre_digest.has_value()) {
        value.set_digest(std::string(access.pre_digest->AsBytes()));
      }
      if (kind == Observation::METADATA) {
        value.set_size(access.pre_size);
      }
      break;
    case PreState::kDirectory:
      value.set_type(Value::DIRECTORY);
      break;
    case PreState::kSymlink:
      value.set_type(Value::SYMLINK);
      break;
    default:
      value.set_type(Value::OTHER);
      break;
  }
  return value;
}

void Collector::CollectListing(const std::string& path,
                               const std::set<std::string>& left_out,
                               const std::string& variant) {
  Observation* observation = Observe(Observation::LISTING, path, variant);
  out_.action.found.try_emplace(path, cache::Found::kThere);
  std::set<std::string> ignored = left_out;
  if (const auto changed = mutated_children_.find(path);
      changed != mutated_children_.end()) {
    ignored.insert(changed->second.begin(), changed->second.end());
  }
  // What a tool ignores below a listed directory is no part of its listing,
  // whether it is there now or not (tool-ipc G1, G3).
  for (std::string& child : ignored_inputs_.ChildrenOf(path)) {
    ignored.insert(std::move(child));
  }
  for (std::string& child : ignored_outputs_.ChildrenOf(path)) {
    ignored.insert(std::move(child));
  }
  std::vector<fingerprint::DirectoryEntry> entries;
  fingerprint::ListDirectory(base::JoinPath(in_.root, path), &entries);
  for (const fingerprint::DirectoryEntry& entry : entries) {
    const std::string child = base::JoinPath(path, entry.name);
    if (IsIgnoredInput(child) ||
        (entry.type == Value::DIRECTORY && IsOwnDirectory(child))) {
      ignored.insert(child);
    }
  }
  for (const std::string& child : ignored) {
    observation->add_ignored(child);
  }
}

// Its content, and that its name means what it did: that is how it was found,
// most likely, by us, by a shell, or by env(1).
void Collector::CollectProgram(const std::string& path) {
  Observe(Observation::EXECUTED, path);
  const std::string name(base::Basename(path));
  if (in_.env != nullptr && !programs_.contains(name)) {
    Observation program;
    program.set_kind(Observation::PROGRAM);
    program.set_path(name);
    fingerprint::World world;
    world.root = in_.root;
    world.env = in_.env;
    world.files = in_.files;
    programs_.insert(name);
    if (fingerprint::Observe(program, world).type() != Value::MISSING) {
      Observe(program.kind(), name);
    }
  }
}

// Files executed outside the workspace: a new node or compiler is a miss (H6).
void Collector::CollectToolchain() {
  if (in_.accesses == nullptr || !in_.description->toolchain_executed()) {
    return;
  }
  for (const Access& access : in_.accesses->accesses) {
    if ((access.observed & track::kExecuted) != 0 && !access.missing &&
        !base::IsWithin(access.path, in_.root)) {
      CollectProgram(access.path);
    }
  }
  for (const std::string& name : in_.accesses->linked_programs) {
    if (!base::IsWithin(name, in_.root)) {
      CollectProgram(name);
    }
  }
}

}  // namespace vt::run
