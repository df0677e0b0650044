// SPDX-License-Identifier: Apache-2.0

#include "daemon/fingerprint/observe.h"

#include <limits.h>
#include <unistd.h>

#include <algorithm>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"

#include "daemon/base/consulted.h"
#include "daemon/base/find_program.h"
#include "daemon/base/name_patterns.h"
#include "daemon/base/path.h"
#include "daemon/fingerprint/glob_walk.h"

namespace vt::fingerprint {
namespace {

using vtask::storage::v1::Member;
using vtask::storage::v1::Observation;
using vtask::storage::v1::PathSet;
using vtask::storage::v1::Value;

void SetDigest(const base::Digest& digest, std::string* field) {
  field->assign(digest.AsBytes().data(), base::Digest::kSize);
}

bool ReadLink(const std::string& path, std::string* text) {
  base::NoteConsulted(path, /*follows=*/false);
  text->resize(PATH_MAX);
  const ssize_t n = ::readlink(path.c_str(), text->data(), text->size());
  text->resize(n < 0 ? 0 : static_cast<size_t>(n));
  return n >= 0;
}

// Programs tell ENOTDIR and ELOOP from ENOENT, as in the text of an error.
uint32_t ModeOfMissing(const FileState& state) {
  return state.is_blocked ? kBlocked : state.is_lost ? kLost : 0;
}

uint32_t CountedMode(const FileState& state) {
  return state.type == Value::MISSING ? ModeOfMissing(state)
                                      : ComparedMode(state.type, state.mode);
}

Value ObserveContent(const std::string& root, const std::string& path,
                     bool follow, const World& world, FileState* seen) {
  const FileState state =
      world.files->Look(root, path, follow, /*want_content=*/true);
  *seen = state;
  Value value;
  value.set_type(state.type);
  if (state.content.has_value()) {
    SetDigest(*state.content, value.mutable_digest());
  }
  value.set_mode(CountedMode(state));
  return value;
}

Value ObserveStatus(const std::string& path, bool with_size, const World& world,
                    FileState* seen) {
  const FileState state = world.files->Look(world.root, path, /*follow=*/false,
                                            /*want_content=*/false);
  *seen = state;
  Value value;
  value.set_type(state.type);
  value.set_mode(CountedMode(state));
  if (with_size && state.type == Value::FILE) {
    value.set_size(state.size);
  }
  return value;
}

Value ObserveLink(const std::string& path, const World& world) {
  Value value;
  std::string text;
  if (ReadLink(path, &text)) {
    value.set_type(Value::SYMLINK);
    SetDigest(LinkDigest(world.root, text), value.mutable_digest());
    return value;
  }
  const FileState state = world.files->Look(world.root, path, false, false);
  value.set_type(state.type);
  value.set_mode(ModeOfMissing(state));
  return value;
}

Value ObserveListing(const Observation& observation, const std::string& path,
                     const World& world) {
  Value value;
  const FileState state = world.files->Look(world.root, path, false, false);
  value.set_type(state.type);
  if (state.type != Value::DIRECTORY) {
    value.set_mode(ModeOfMissing(state));
    return value;
  }
  std::vector<DirectoryEntry> entries;
  if (!ListDirectory(path, &entries)) {
    value.set_type(Value::UNREADABLE);
    return value;
  }
  for (const DirectoryEntry& entry : entries) {
    const std::string relative = base::JoinPath(observation.path(), entry.name);
    if (relative == ".git" ||
        std::find(observation.ignored().begin(), observation.ignored().end(),
                  relative) != observation.ignored().end()) {
      continue;
    }
    Member* member = value.add_members();
    member->set_name(entry.name);
    member->set_type(entry.type);
  }
  return value;
}

// A link counts with its text and with what it leads to.
void ObserveGlobLink(const std::string& path, const World& world,
                     Member* member) {
  member->set_type(Value::SYMLINK);
  std::string text;
  ReadLink(path, &text);
  const FileState target = world.files->Look(world.root, path, /*follow=*/true,
                                             /*want_content=*/true);
  HashingSink sink;
  sink.Bytes("link", LinkDigest(world.root, text).AsBytes());
  sink.Number("target", static_cast<uint64_t>(target.type));
  if (target.content.has_value()) {
    sink.Bytes("content", target.content->AsBytes());
  }
  SetDigest(sink.Finish(), member->mutable_digest());
}

Value ObserveGlob(const Observation& observation, const World& world) {
  Value value;
  value.set_type(Value::SET);
  for (const std::string& relative :
       WalkGlobs(world.root, observation.globs())) {
    const std::string path = AbsolutePath(world.root, relative);
    const FileState state = world.files->Look(world.root, path, false, true);
    if (state.type == Value::MISSING) {
      continue;  // gone since it was listed
    }
    Member* member = value.add_members();
    member->set_name(relative);
    member->set_type(state.type);
    if (state.type == Value::SYMLINK) {
      ObserveGlobLink(path, world, member);
    } else if (state.content.has_value()) {
      SetDigest(*state.content, member->mutable_digest());
    }
  }
  return value;
}

// The directories of PATH in the workspace are left out: who looks there is
// seen.
Value ObserveProgram(const std::string& name, const base::EnvMap& env,
                     const World& world, FileState* seen) {
  const auto path = env.find("PATH");
  std::vector<absl::string_view> outside;
  if (path != env.end()) {
    for (const absl::string_view entry : absl::StrSplit(path->second, ':')) {
      if (absl::StartsWith(entry, "/") &&
          !base::IsWithin(base::NormalizePath(entry), world.root)) {
        outside.push_back(entry);
      }
    }
  }
  const std::string program =
      base::FindProgram(name, absl::StrJoin(outside, ":"), world.root);
  if (outside.empty() || program.empty()) {
    Value value;
    value.set_type(Value::MISSING);
    return value;
  }
  return ObserveContent("", program, /*follow=*/true, world, seen);
}

Value ObserveEnv(const std::string& name, const base::EnvMap& env) {
  Value value;
  const auto found = env.find(name);
  if (found == env.end()) {
    value.set_type(Value::MISSING);
    return value;
  }
  value.set_type(Value::SET);
  SetDigest(Sha256(found->second), value.mutable_digest());
  return value;
}

Value ObserveEnvQuery(const Observation& query, const base::EnvMap& matches) {
  const base::NamePatterns left_out(query.ignored());
  Value value;
  value.set_type(Value::SET);
  for (const auto& [name, text] : matches) {
    if (left_out.Matches(name)) {
      continue;
    }
    Member* member = value.add_members();
    member->set_name(name);
    member->set_type(Value::SET);
    SetDigest(Sha256(text), member->mutable_digest());
  }
  return value;
}

// Whether what stands at a rebuildable path is nothing, or ours (H4). A hit
// restores it, so that it does not matter.
bool IsRebuildable(const Observation& observation, const std::string& path,
                   const World& world) {
  const FileState state = world.files->Look(world.root, path, false, true);
  switch (state.type) {
    case Value::MISSING:
      return !state.is_blocked && !state.is_lost;
    case Value::DIRECTORY:
      // Listed and refilled: further entries do not count (R-CACHE-16).
      return observation.kind() != Observation::CONTENT &&
             observation.kind() != Observation::LINK;
    case Value::FILE:
      return state.content.has_value() && world.is_own_output != nullptr &&
             world.is_own_output(observation.path(), *state.content);
    case Value::SYMLINK: {
      std::string text;
      return ReadLink(path, &text) && world.is_own_output != nullptr &&
             world.is_own_output(observation.path(),
                                 LinkDigest(world.root, text));
    }
    default:
      return false;
  }
}

void WalkValue(const Value& value, FingerprintSink* sink) {
  sink->Number("type", static_cast<uint64_t>(value.type()));
  sink->Bytes("digest", value.digest());
  sink->Number("mode", value.mode());
  sink->Number("size", value.size());
  sink->Number("members", static_cast<uint64_t>(value.members_size()));
  for (const Member& member : value.members()) {
    sink->Bytes("name", member.name());
    sink->Number("type", static_cast<uint64_t>(member.type()));
    sink->Bytes("digest", member.digest());
  }
}

void WalkValues(const std::vector<Value>& values, FingerprintSink* sink) {
  sink->Number("values", values.size());
  for (const Value& value : values) {
    WalkValue(value, sink);
  }
}

}  // namespace

uint32_t ComparedMode(Value::Type type, uint32_t mode) {
  return type == Value::FILE ? mode & 0100 : 0;
}

std::string AbsolutePath(const std::string& root, const std::string& path) {
  return path.empty() ? root : base::JoinPath(root, path);
}

Value Observe(const Observation& observation, const World& world) {
  FileState unused;
  return Observe(observation, world, &unused);
}

Value Observe(const Observation& observation, const World& world,
              FileState* seen) {
  static const base::EnvMap* const no_env = new base::EnvMap;
  const base::EnvMap& env = world.env == nullptr ? *no_env : *world.env;
  const std::string path = AbsolutePath(world.root, observation.path());
  if (observation.rebuildable() && IsRebuildable(observation, path, world)) {
    Value value;
    value.set_type(Value::REBUILDABLE);
    return value;
  }
  switch (observation.kind()) {
    case Observation::CONTENT:
      return ObserveContent(world.root, path, /*follow=*/false, world, seen);
    case Observation::METADATA:
      return ObserveStatus(path, /*with_size=*/true, world, seen);
    case Observation::EXISTENCE:
      return ObserveStatus(path, /*with_size=*/false, world, seen);
    case Observation::LINK:
      return ObserveLink(path, world);
    case Observation::LISTING:
      return ObserveListing(observation, path, world);
    case Observation::GLOB:
      return ObserveGlob(observation, world);
    case Observation::EXECUTED:
      // Outside of every workspace: nothing is replaced in it, and all roots
      // share the table of the empty root.
      return ObserveContent("", path, /*follow=*/true, world, seen);
    case Observation::PROGRAM:
      return ObserveProgram(observation.path(), env, world, seen);
    case Observation::ENV:
      return ObserveEnv(observation.path(), env);
    case Observation::ENV_GLOB: {
      absl::StatusOr<base::EnvMap> matches =
          base::MatchEnvGlob(env, observation.path());
      return ObserveEnvQuery(
          observation, matches.ok() ? *std::move(matches) : base::EnvMap{});
    }
    case Observation::ENV_PREFIX:
      return ObserveEnvQuery(observation,
                             base::MatchEnvPrefix(env, observation.path()));
    case Observation::UMASK: {
      Value value;
      value.set_type(Value::SET);
      value.set_mode(world.umask);
      return value;
    }
    case Observation::TOOL_VALUE: {
      Value value;
      value.set_type(Value::SET);
      return value;
    }
    default:
      return Value();
  }
}

base::Digest PathSetDigest(const PathSet& path_set) {
  HashingSink sink;
  sink.Number("format", kFormat);
  for (const Observation& observation : path_set.observations()) {
    sink.Number("kind", static_cast<uint64_t>(observation.kind()));
    sink.Bytes("path", observation.path());
    sink.Number("rebuildable", observation.rebuildable() ? 1 : 0);
    sink.Number("ignored", static_cast<uint64_t>(observation.ignored_size()));
    for (const std::string& path : observation.ignored()) {
      sink.Bytes("path", path);
    }
    for (const vtask::storage::v1::Glob& glob : observation.globs()) {
      sink.Bytes(glob.negative() ? "glob.not" : "glob", glob.pattern());
    }
    // Not the provenance: who asked does not change what was asked.
  }
  return sink.Finish();
}

base::Digest StrongFingerprint(const base::Digest& weak,
                               const base::Digest& path_set,
                               const std::vector<Value>& values) {
  HashingSink sink;
  sink.Number("format", kFormat);
  sink.Bytes("weak", weak.AsBytes());
  sink.Bytes("path_set", path_set.AsBytes());
  WalkValues(values, &sink);
  return sink.Finish();
}

base::Digest ValuesDigest(const std::vector<Value>& values) {
  HashingSink sink;
  WalkValues(values, &sink);
  return sink.Finish();
}

bool SameValue(const Value& a, const Value& b) {
  if (a.type() != b.type() || a.digest() != b.digest() ||
      a.mode() != b.mode() || a.size() != b.size() ||
      a.members_size() != b.members_size()) {
    return false;
  }
  for (int i = 0; i < a.members_size(); ++i) {
    const Member& x = a.members(i);
    const Member& y = b.members(i);
    if (x.name() != y.name() || x.type() != y.type() ||
        x.digest() != y.digest()) {
      return false;
    }
  }
  return true;
}

}  // namespace vt::fingerprint
