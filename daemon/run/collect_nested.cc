// SPDX-License-Identifier: Apache-2.0
//
// What nested actions add (decisions H2). Their changes are in the accesses
// already, in order with the action's own (track/nested_changes.h). What they
// observed comes from their stored results, with the values that they saw: the
// action depends on those paths through them alone, so the same values give the
// same result, whatever happened around them.
//
// Only of paths that were changed meanwhile it must be told whether a nested
// action saw what stood there before, an input, or something that was made
// inside: that is no input. Values tell: what it saw is what stood there before
// the first change, or else a product. In doubt it is an input.

#include <sys/stat.h>

#include <utility>

#include "daemon/base/path.h"
#include "daemon/fingerprint/observe.h"
#include "daemon/run/collector.h"

namespace vt::run {

using track::Access;
using track::PreState;
using vtask::storage::v1::Glob;
using vtask::storage::v1::Observation;
using vtask::storage::v1::Value;

namespace {

bool Exists(const std::string& path) {
  struct stat status;
  return ::lstat(path.c_str(), &status) == 0;
}

// But for the size of a file whose content was seen as well, which is not kept
// (cache::ForFingerprint).
bool SameButSize(const Value& a, const Value& b) {
  if (a.size() != 0 && b.size() != 0) {
    return fingerprint::SameValue(a, b);
  }
  Value other = b;
  other.set_size(a.size());
  return fingerprint::SameValue(a, other);
}

}  // namespace

void Collector::CollectNestedOutputs() {
  if (in_.nest == nullptr) {
    return;
  }
  for (const InnerAction& inner : in_.nest->actions) {
    nested_deletions_.insert(inner.deletions.begin(), inner.deletions.end());
    for (const Seen& seen : inner.seen) {
      if (seen.observation.kind() == Observation::EXISTENCE &&
          seen.value.type() == Value::REBUILDABLE) {
        nested_rebuildable_.insert(seen.observation.path());
      }
    }
    const std::set<std::string> outputs(inner.outputs.begin(),
                                        inner.outputs.end());
    for (const Seen& seen : inner.seen) {
      // What it wrote over was not its own, or had other permissions than it
      // gives (KeepsMode).
      if (seen.value.type() == Value::FILE &&
          (seen.observation.kind() == Observation::EXISTENCE ||
           seen.observation.kind() == Observation::METADATA) &&
          outputs.contains(seen.observation.path())) {
        nested_kept_.insert(seen.observation.path());
      }
    }
    for (const std::string& path : inner.outputs) {
      nested_outputs_.insert(path);
      // A listing never shows them, were they there before.
      mutated_children_[std::string(base::Dirname(path))].insert(path);
      const auto access = accesses_.find(path);
      if ((access == accesses_.end() || !access->second->mutated) &&
          Exists(base::JoinPath(in_.root, path))) {
        left_alone_.insert(path);
      }
    }
    out_.action.root_only = out_.action.root_only || inner.root_only;
  }
}

void Collector::CollectNestedInputs() {
  if (in_.nest == nullptr) {
    return;
  }
  for (const InnerAction& inner : in_.nest->actions) {
    for (const std::string& name : inner.env) {
      TakeOverEnv(Observation::ENV, name, nullptr);
    }
    for (const Seen& seen : inner.seen) {
      TakeOver(seen);
    }
  }
  for (const Seen& seen : in_.nest->planned) {
    TakeOver(seen);
  }
}

void Collector::TakeOver(const Seen& seen) {
  const Observation& observation = seen.observation;
  const bool automatic = in_.description->input().automatic();
  switch (observation.kind()) {
    case Observation::ENV:
    case Observation::ENV_GLOB:
    case Observation::ENV_PREFIX:
      TakeOverEnv(observation.kind(), observation.path(), &observation);
      break;
    case Observation::EXECUTED:
      if (in_.description->toolchain_executed()) {
        TakeOverFile(seen);
      }
      break;
    case Observation::PROGRAM:
      if (in_.description->toolchain_executed()) {
        Observe(observation.kind(), observation.path());
      }
      break;
    case Observation::GLOB:
      if (automatic) {
        TakeOverGlob(seen);
      }
      break;
    case Observation::LISTING:
      if (automatic && !IsIgnoredInput(observation.path())) {
        TakeOverListing(seen);
      }
      break;
    case Observation::CONTENT:
    case Observation::METADATA:
    case Observation::EXISTENCE:
    case Observation::LINK:
      if (automatic && !IsIgnoredInput(observation.path())) {
        TakeOverFile(seen);
      }
      break;
    default:
      break;  // what a tool says of itself is no input
  }
}

// A nested action sees the environment of this one, plus what is set inside.
// What the key has counts already; all else counts as the caller has it.
void Collector::TakeOverEnv(Observation::Kind kind, const std::string& name,
                            const Observation* source) {
  for (const vtask::storage::v1::EnvValue& env : in_.description->env()) {
    if (kind == Observation::ENV && env.name() == name) {
      return;
    }
  }
  Observation* observation = source == nullptr
                                 ? Observe(kind, name)
                                 : ObserveQuery(kind, name, source->ignored());
  if (source != nullptr && !observation->has_provenance()) {
    *observation->mutable_provenance() = source->provenance();
  }
}

void Collector::TakeOverGlob(const Seen& seen) {
  std::string variant = "nested";
  for (const Glob& glob : seen.observation.globs()) {
    glob.AppendToString(&variant);
  }
  Observation* observation = Observe(Observation::GLOB, "", variant);
  *observation = seen.observation;
  // Of two nested actions with the same globs the first counts, and what
  // changed meanwhile is found by comparing with the present.
  if (nested_seen_.insert({Observation::GLOB, "", variant}).second) {
    Know(*observation, seen.value);
  }
}

// The entries are looked at again, as for a listing of the action's own: which
// of them were made inside is known only now.
void Collector::TakeOverListing(const Seen& seen) {
  const std::string& path = seen.observation.path();
  const auto access = accesses_.find(path);
  const bool was_made = access != accesses_.end() && access->second->mutated &&
                        access->second->pre_state == PreState::kMissing;
  if (was_made) {
    return;
  }
  if (IsOwnDirectory(path)) {
    CollectDirectory(path);
    return;
  }
  std::string variant = "nested";
  std::set<std::string> left_out;
  for (const std::string& ignored : seen.observation.ignored()) {
    variant += '\0';
    variant += ignored;
    left_out.insert(ignored);
  }
  CollectListing(path, left_out, variant);
}

void Collector::TakeOverFile(const Seen& seen) {
  const std::string& path = seen.observation.path();
  const Observation::Kind kind = seen.observation.kind();
  if (kind != Observation::EXECUTED && IsOwnDirectory(path)) {
    CollectDirectory(path);
    return;
  }
  const auto access = accesses_.find(path);
  if (left_alone_.contains(path) && outputs_.contains(path) &&
      !nested_kept_.contains(path)) {
    if (kind == Observation::CONTENT && seen.value.type() == Value::FILE) {
      TakeOverLeftover(seen);
    } else {
      Rebuildable(Observe(kind, path));
    }
    return;
  }
  if (access != accesses_.end() && access->second->mutated) {
    TakeOverChanged(seen, *access->second);
    return;
  }
  const bool is_new =
      observations_.find({kind, path, ""}) == observations_.end();
  if (!is_new && nested_seen_.find({kind, path, ""}) == nested_seen_.end()) {
    // The action looked, too: that nobody changed it since it began is checked
    // when it is stored.
    return;
  }
  Observation* observation = Observe(kind, path);
  if (is_new) {
    *observation = seen.observation;
    nested_seen_.insert({kind, path, ""});
    Know(*observation, seen.value);
  } else if (!SameButSize(
                 out_.action.known_values[cache::KnownValueKey(*observation)],
                 seen.value)) {
    NotStored(vtask::v1::NotStored::INPUT_CHANGED,
              "an input changed while the task ran:", path);
  }
}

void Collector::TakeOverChanged(const Seen& seen, const Access& access) {
  const std::string& path = seen.observation.path();
  const Observation::Kind kind = seen.observation.kind();
  if (observations_.find({kind, path, ""}) != observations_.end()) {
    return;  // the action saw what stood there before, too
  }
  const bool was_missing = access.pre_state == PreState::kMissing;
  const bool is_own =
      was_missing || (access.pre_digest.has_value() &&
                      IsOwnContent(path, access.pre_digest->AsBytes()));
  if (seen.value.type() == Value::REBUILDABLE) {
    // Its own earlier output, or nothing. If that is not what stood there
    // before, something that was made inside was.
    if (is_own && outputs_.contains(path)) {
      Rebuildable(Observe(kind, path));
    } else if (!was_missing && !access.pre_digest.has_value()) {
      NotStored(
          vtask::v1::NotStored::DEVICE_OR_LIMIT,
          "the content it had before the task changed it is not known:", path);
    }
    return;
  }
  if (IsOwnProduct(seen, access)) {
    return;
  }
  const bool is_rebuildable =
      outputs_.contains(path) && !nested_kept_.contains(path) &&
      (is_own || IsOwnContent(path, seen.value.digest()));
  if (is_rebuildable && kind == Observation::CONTENT && !was_missing) {
    TakeOverLeftover(seen);
    return;
  }
  Observation* observation = Observe(kind, path);
  *observation = seen.observation;
  if (is_rebuildable) {
    Rebuildable(observation);
  } else {
    Know(*observation, seen.value);
  }
}

// See cache::FinishedAction::leftovers.
void Collector::TakeOverLeftover(const Seen& seen) {
  Observation* observation =
      Observe(seen.observation.kind(), seen.observation.path());
  *observation = seen.observation;
  Know(*observation, seen.value);
  out_.action.leftovers.insert(observation->path());
}

// Whether what was seen is certainly not what stood there before the first
// change.
bool Collector::IsOwnProduct(const Seen& seen, const Access& access) const {
  if (access.pre_state == PreState::kUnknown) {
    return false;
  }
  const Value before = PreValue(seen.observation.kind(), access);
  if (seen.value.type() != before.type()) {
    return true;
  }
  switch (seen.observation.kind()) {
    case Observation::CONTENT:
      return access.pre_digest.has_value() &&
             (seen.value.digest() != before.digest() ||
              seen.value.mode() != before.mode());
    case Observation::METADATA:
      return seen.value.mode() != before.mode() ||
             (seen.value.size() != 0 && seen.value.size() != before.size());
    case Observation::EXISTENCE:
      return seen.value.mode() != before.mode();
    default:
      return false;
  }
}

}  // namespace vt::run
