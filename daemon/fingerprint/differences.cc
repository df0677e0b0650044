// SPDX-License-Identifier: Apache-2.0
//
// How two evaluations, or two descriptions, differ: the reasons of a miss
// (spec/runner.md 6.8), as data.

#include <algorithm>
#include <map>
#include <tuple>

#include "absl/strings/str_join.h"

#include "daemon/base/path.h"
#include "daemon/fingerprint/observe.h"

namespace vt::fingerprint {
namespace {

using vtask::storage::v1::EnvValue;
using vtask::storage::v1::Member;
using vtask::storage::v1::Observation;
using vtask::storage::v1::Value;
using vtask::storage::v1::WeakDescription;
using vtask::v1::Difference;

Difference* Add(Difference::Kind kind, Difference::Change change,
                std::vector<Difference>* out) {
  Difference& difference = out->emplace_back();
  difference.set_kind(kind);
  difference.set_change(change);
  return &difference;
}

// Into `name` for what has names, `path` for files.
void AddNamed(Difference::Kind kind, Difference::Change change,
              const std::string& name, const std::string& old_digest,
              const std::string& new_digest, std::vector<Difference>* out) {
  Difference* difference = Add(kind, change, out);
  const bool is_path =
      kind == Difference::FILE || kind == Difference::TOOLCHAIN;
  (is_path ? difference->mutable_path() : difference->mutable_name())
      ->assign(name);
  difference->set_old_digest(old_digest);
  difference->set_new_digest(new_digest);
}

Difference::Kind KindOf(Observation::Kind kind) {
  switch (kind) {
    case Observation::EXECUTED:
    case Observation::PROGRAM:
      return Difference::TOOLCHAIN;
    case Observation::ENV:
    case Observation::ENV_GLOB:
    case Observation::ENV_PREFIX:
      return Difference::ENV;
    case Observation::TOOL_VALUE:
      return Difference::TOOL_VALUE;
    case Observation::UMASK:
      return Difference::UMASK;
    default:
      return Difference::FILE;
  }
}

// A rebuildable path was our own output, and is now something else.
bool IsAbsent(Value::Type type) { return type == Value::MISSING; }
bool IsPlainType(Value::Type type) {
  return type == Value::FILE || type == Value::DIRECTORY ||
         type == Value::SYMLINK || type == Value::OTHER;
}

Difference::Change ChangeOf(Value::Type before, Value::Type now) {
  if (IsAbsent(before) && IsAbsent(now)) {
    return Difference::CHANGED;  // a file came into the way, or left it
  }
  if (IsAbsent(before)) {
    return Difference::ADDED;
  }
  if (IsAbsent(now)) {
    return Difference::REMOVED;
  }
  // Another kind of thing under the same name is reported as added
  // (R-CACHE-12).
  const bool another_kind =
      before != now && IsPlainType(before) && IsPlainType(now);
  return another_kind ? Difference::ADDED : Difference::CHANGED;
}

void CompareMembers(const Observation& observation, const Value& before,
                    const Value& now, std::vector<Difference>* out) {
  const Difference::Kind kind = KindOf(observation.kind());
  const auto full_name = [&](const std::string& name) {
    return observation.kind() == Observation::LISTING
               ? base::JoinPath(observation.path(), name)
               : name;
  };
  std::map<std::string, std::pair<const Member*, const Member*>> members;
  for (const Member& member : before.members()) {
    members[member.name()].first = &member;
  }
  for (const Member& member : now.members()) {
    members[member.name()].second = &member;
  }
  for (const auto& [name, pair] : members) {
    const auto& [old_member, new_member] = pair;
    if (old_member == nullptr) {
      AddNamed(kind, Difference::ADDED, full_name(name), "",
               new_member->digest(), out);
    } else if (new_member == nullptr) {
      AddNamed(kind, Difference::REMOVED, full_name(name), old_member->digest(),
               "", out);
    } else if (old_member->type() != new_member->type() ||
               old_member->digest() != new_member->digest()) {
      AddNamed(kind, ChangeOf(old_member->type(), new_member->type()),
               full_name(name), old_member->digest(), new_member->digest(),
               out);
    }
  }
}

void CompareEnv(const WeakDescription& before, const WeakDescription& now,
                std::vector<Difference>* out) {
  std::map<std::string, std::pair<const EnvValue*, const EnvValue*>> names;
  for (const EnvValue& variable : before.env()) {
    names[variable.name()].first = &variable;
  }
  for (const EnvValue& variable : now.env()) {
    names[variable.name()].second = &variable;
  }
  for (const auto& [name, pair] : names) {
    const auto& [a, b] = pair;
    const bool listed_in_both = a != nullptr && b != nullptr;
    const bool was_set = a != nullptr && a->present();
    const bool is_set = b != nullptr && b->present();
    const std::string old_digest = was_set ? a->value_digest() : "";
    const std::string new_digest = is_set ? b->value_digest() : "";
    if (listed_in_both && was_set == is_set && old_digest == new_digest) {
      continue;
    }
    const Difference::Change change = was_set == is_set ? Difference::CHANGED
                                      : is_set          ? Difference::ADDED
                                                        : Difference::REMOVED;
    AddNamed(Difference::ENV, change, name, old_digest, new_digest, out);
  }
}

void ComparePatterns(const WeakDescription& before, const WeakDescription& now,
                     std::vector<Difference>* out) {
  const auto has = [](const WeakDescription& d, const std::string& pattern) {
    return std::find(d.untracked_env().begin(), d.untracked_env().end(),
                     pattern) != d.untracked_env().end();
  };
  for (const std::string& pattern : before.untracked_env()) {
    if (!has(now, pattern)) {
      AddNamed(Difference::UNTRACKED_ENV, Difference::REMOVED, pattern, "", "",
               out);
    }
  }
  for (const std::string& pattern : now.untracked_env()) {
    if (!has(before, pattern)) {
      AddNamed(Difference::UNTRACKED_ENV, Difference::ADDED, pattern, "", "",
               out);
    }
  }
}

template <typename Config>
bool SameConfig(const Config& a, const Config& b) {
  return a.SerializeAsString() == b.SerializeAsString();
}

bool SameCacheConfig(const WeakDescription& a, const WeakDescription& b) {
  return a.track() == b.track() && a.honor_opt_out() == b.honor_opt_out() &&
         a.share_root_only() == b.share_root_only() && a.root() == b.root() &&
         a.toolchain_executed() == b.toolchain_executed() &&
         a.strict_tracking() == b.strict_tracking() &&
         std::equal(a.services().begin(), a.services().end(),
                    b.services().begin(), b.services().end());
}

Difference::Seen SeenAs(Observation::Kind kind) {
  switch (kind) {
    case Observation::CONTENT:
      return Difference::READ;
    case Observation::METADATA:
    case Observation::EXISTENCE:
      return Difference::LOOKED_AT;
    case Observation::LINK:
      return Difference::LINK;
    case Observation::LISTING:
      return Difference::LISTED;
    case Observation::GLOB:
      return Difference::DECLARED;
    default:
      return Difference::SEEN_UNSPECIFIED;
  }
}

void AppendUnmarked(const Observation& observation, const Value& before,
                    const Value& now, std::vector<Difference>* out) {
  const bool has_members = observation.kind() == Observation::LISTING ||
                           observation.kind() == Observation::GLOB ||
                           observation.kind() == Observation::ENV_GLOB ||
                           observation.kind() == Observation::ENV_PREFIX;
  if (has_members && before.type() == now.type()) {
    CompareMembers(observation, before, now, out);
    return;
  }
  AddNamed(KindOf(observation.kind()), ChangeOf(before.type(), now.type()),
           observation.path(), before.digest(), now.digest(), out);
}

}  // namespace

void AppendDifferences(const Observation& observation, const Value& before,
                       const Value& now, std::vector<Difference>* out) {
  if (SameValue(before, now)) {
    return;
  }
  const size_t first = out->size();
  AppendUnmarked(observation, before, now, out);
  for (size_t i = first; i < out->size(); ++i) {
    (*out)[i].set_seen(SeenAs(observation.kind()));
  }
}

std::vector<Difference> DescribeDifferences(const WeakDescription& before,
                                            const WeakDescription& now) {
  std::vector<Difference> out;
  const auto changed = [&out](Difference::Kind kind, const std::string& from,
                              const std::string& to) {
    if (from != to) {
      Difference* difference = Add(kind, Difference::CHANGED, &out);
      difference->set_from(from);
      difference->set_to(to);
    }
  };
  changed(Difference::PROGRAM, before.program(), now.program());
  if (!std::equal(before.args().begin(), before.args().end(),
                  now.args().begin(), now.args().end())) {
    Difference* difference = Add(Difference::ARGS, Difference::CHANGED, &out);
    difference->set_from(absl::StrJoin(before.args(), " "));
    difference->set_to(absl::StrJoin(now.args(), " "));
    *difference->mutable_from_args() = before.args();
    *difference->mutable_to_args() = now.args();
  }
  changed(Difference::CWD, before.cwd(), now.cwd());
  if (!SameConfig(before.input(), now.input())) {
    Add(Difference::INPUT_CONFIG, Difference::CHANGED, &out);
  }
  if (!SameConfig(before.output(), now.output())) {
    Add(Difference::OUTPUT_CONFIG, Difference::CHANGED, &out);
  }
  ComparePatterns(before, now, &out);
  CompareEnv(before, now, &out);
  if (!SameCacheConfig(before, now)) {
    Add(Difference::CACHE_CONFIG, Difference::CHANGED, &out);
  }
  changed(Difference::FORMAT, before.platform(), now.platform());
  SortDifferences(&out);
  return out;
}

void SortDifferences(std::vector<Difference>* differences) {
  // Of several about one thing, the one that says most is first: that it came
  // or went, then which contents differ.
  const auto rank = [](const Difference& d) {
    return (d.change() == Difference::CHANGED ? 2 : 0) +
           (d.new_digest().empty() && d.old_digest().empty() ? 1 : 0);
  };
  const auto about = [](const Difference& d) {
    return std::tie(d.name(), d.path());
  };
  std::stable_sort(differences->begin(), differences->end(),
                   [&](const Difference& a, const Difference& b) {
                     return std::make_tuple(a.kind(), about(a), rank(a)) <
                            std::make_tuple(b.kind(), about(b), rank(b));
                   });
  const auto repeats = [&](const Difference& a, const Difference& b) {
    return a.kind() == b.kind() && about(a) == about(b);
  };
  differences->erase(
      std::unique(differences->begin(), differences->end(), repeats),
      differences->end());
}

}  // namespace vt::fingerprint
