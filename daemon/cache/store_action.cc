// SPDX-License-Identifier: Apache-2.0

#include "daemon/cache/store_action.h"

#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/strings/str_cat.h"

#include "daemon/base/version.h"
#include "daemon/cache/evaluate.h"
#include "daemon/cache/finished.h"
#include "daemon/cache/log_record.h"
#include "daemon/cache/outputs.h"
#include "daemon/cache/records.h"
#include "daemon/cache/usage.h"
#include "daemon/fingerprint/file_digests.h"
#include "daemon/fingerprint/observe.h"
#include "daemon/fingerprint/sink.h"

namespace vt::cache {
namespace {

using fingerprint::World;
using store::Table;
using vtask::storage::v1::Observation;
using vtask::storage::v1::Output;
using vtask::storage::v1::PathSet;
using vtask::storage::v1::Position;
using vtask::storage::v1::Result;
using vtask::storage::v1::Value;
using vtask::v1::NotStored;

std::string Bytes(const base::Digest& digest) {
  return std::string(digest.AsBytes());
}

// Of what an action `made`, what is its own. What was made out of somebody
// else's content is not: were it rebuildable, a formatted source would be
// restored over a later edit of it, or after its deletion (decisions H4).
// Permissions of a file are not if anything that stood there mattered.
std::vector<OwnOutput> OwnOf(const PathSet& path_set,
                             const std::set<std::string>& leftovers,
                             std::vector<OwnOutput> made) {
  absl::flat_hash_set<absl::string_view> given, observed;
  for (const Observation& observation : path_set.observations()) {
    if (observation.rebuildable()) {
      continue;
    }
    observed.insert(observation.path());
    if (leftovers.find(observation.path()) == leftovers.end() &&
        (observation.kind() == Observation::CONTENT ||
         observation.kind() == Observation::LINK)) {
      given.insert(observation.path());
    }
  }
  std::vector<OwnOutput> own;
  for (OwnOutput& output : made) {
    if (given.contains(output.path)) {
      continue;
    }
    if (output.content != fingerprint::DirectoryDigest() &&
        observed.contains(output.path)) {
      output.mode.reset();
    }
    own.push_back(std::move(output));
  }
  return own;
}

std::vector<OwnOutput> MadeOf(const CapturedOutputs& captured) {
  absl::flat_hash_map<absl::string_view, uint32_t> modes;
  for (const Output& output : captured.outputs) {
    if (output.type() != Output::SYMLINK) {
      modes[output.path()] = output.mode();
    }
  }
  std::vector<OwnOutput> made;
  for (const auto& [path, content] : captured.contents) {
    OwnOutput& output = made.emplace_back(OwnOutput{path, content, {}});
    if (const auto mode = modes.find(path); mode != modes.end()) {
      output.mode = mode->second;
    }
  }
  return made;
}

// The state after the action is as good as the one before (decisions H4): what
// it made of its own leftovers it would make again.
std::optional<StoredAction::Alias> AliasOf(const StoredAction& stored,
                                           const std::vector<Value>& values,
                                           const FinishedAction& finished,
                                           const CapturedOutputs& captured) {
  std::map<std::string, Value> made;
  for (const Output& output : captured.outputs) {
    if (output.type() == Output::FILE &&
        finished.leftovers.find(output.path()) != finished.leftovers.end()) {
      Value& value = made[output.path()];
      value.set_type(Value::FILE);
      value.set_mode(fingerprint::ComparedMode(Value::FILE, output.mode()));
    }
  }
  for (const auto& [path, content] : captured.contents) {
    if (const auto value = made.find(path); value != made.end()) {
      value->second.set_digest(Bytes(content));
    }
  }
  if (made.empty()) {
    return std::nullopt;
  }
  StoredAction::Alias alias;
  alias.values = values;
  for (size_t i = 0; i < values.size(); ++i) {
    const Observation& observation =
        stored.path_set.observations(static_cast<int>(i));
    const auto value = made.find(observation.path());
    if (value != made.end() && observation.kind() == Observation::CONTENT &&
        !observation.rebuildable()) {
      alias.values[i] = value->second;
    }
  }
  alias.strong = fingerprint::StrongFingerprint(
      stored.weak, fingerprint::PathSetDigest(stored.path_set), alias.values);
  return alias;
}

NotStored OutputFailed(const absl::Status& status, const std::string& path) {
  NotStored why = StoreFailed(status.message());
  why.set_path(path);
  if (absl::IsAborted(status)) {
    why.set_reason(NotStored::OUTPUT_CHANGED);
  } else if (absl::IsOutOfRange(status)) {
    why.set_reason(NotStored::DEVICE_OR_LIMIT);
  }
  return why;
}

void PutResult(const store::Database& database, const ActionKey& key,
               const base::Digest& strong, const Result& result, absl::Time now,
               store::Batch* batch) {
  const std::string result_key = ResultKey(strong, result);
  std::string record = result.SerializeAsString();
  PutUsage(database, result_key, record, key, now, batch);
  batch->Put(Table::kResults, result_key, std::move(record));
  if (result.root().empty()) {
    // An earlier run may have named the root: a lookup would prefer that.
    const std::string bound_key =
        absl::StrCat(strong.AsBytes(), fingerprint::RootId(key.root));
    batch->Delete(Table::kResults, bound_key);
    batch->Delete(Table::kUsage, bound_key);
  }
}

}  // namespace

NotStored StoreFailed(absl::string_view text) {
  NotStored why;
  why.set_reason(NotStored::STORE_FAILED);
  why.set_text(std::string(text));
  return why;
}

std::optional<NotStored> PrepareStore(const ActionKey& key,
                                      const FinishedAction& finished,
                                      const World& world,
                                      const BlobStore& blobs, absl::Time now,
                                      StoredAction* stored,
                                      absl::Status* written) {
  stored->weak = fingerprint::WeakFingerprint(key.description);
  PathSet path_set_with_mask = finished.path_set;
  if (!finished.outputs.empty()) {
    path_set_with_mask.add_observations()->set_kind(Observation::UMASK);
  }
  stored->path_set = Canonical(std::move(path_set_with_mask));
  NotStored why;
  std::optional<std::vector<Value>> values =
      EvaluateFinished(stored->path_set, finished, world, &why);
  if (!values.has_value()) {
    return why;
  }
  *values = ForFingerprint(stored->path_set, *std::move(values));

  std::string failed_path;
  absl::StatusOr<CapturedOutputs> captured =
      CaptureOutputs(key.root, finished.outputs, finished.ended_file_clock_ns,
                     blobs, world.files, &failed_path);
  if (!captured.ok()) {
    *written = captured.status();
    return OutputFailed(captured.status(), failed_path);
  }

  Result& result = stored->result;
  const base::Digest path_set = fingerprint::PathSetDigest(stored->path_set);
  result.set_weak(Bytes(stored->weak));
  result.set_path_set(Bytes(path_set));
  *result.mutable_tool_reports() = {finished.tool_reports.begin(),
                                    finished.tool_reports.end()};
  *result.mutable_deletions() = {finished.deletions.begin(),
                                 finished.deletions.end()};
  *result.mutable_refilled() = {finished.refilled.begin(),
                                finished.refilled.end()};
  result.set_duration_us(absl::ToInt64Microseconds(finished.duration));
  result.set_stored_unix_s(absl::ToUnixSeconds(now));
  result.set_vtask_version(std::string(base::Version()));
  if (finished.root_only || captured->names_root ||
      LogNamesRoot(finished.log, key.root)) {
    result.set_root(key.root);
  }
  stored->strong =
      fingerprint::StrongFingerprint(stored->weak, path_set, *values);
  stored->after = AliasOf(*stored, *values, finished, *captured);
  stored->own_outputs =
      OwnOf(stored->path_set, finished.leftovers, MadeOf(*captured));
  for (Value& value : *values) {
    *result.add_values() = std::move(value);
  }
  for (Output& output : captured->outputs) {
    if (const auto reporter = finished.output_reporters.find(output.path());
        reporter != finished.output_reporters.end()) {
      *output.mutable_provenance() = reporter->second;
    }
    *result.add_outputs() = std::move(output);
  }
  *written = StoreLog(finished.log, blobs, &result);
  if (!written->ok()) {
    return StoreFailed(written->message());
  }
  return std::nullopt;
}

std::vector<OwnOutput> OwnOutputsNow(const ActionKey& key,
                                     const FinishedAction& finished,
                                     const World& world) {
  std::vector<OwnOutput> made;
  for (const std::string& path : finished.outputs) {
    if (!IsInsidePath(path)) {
      continue;
    }
    const std::string name = fingerprint::AbsolutePath(key.root, path);
    const fingerprint::FileState now = world.files->Look(
        key.root, name, /*follow=*/false, /*want_content=*/true);
    if (now.type == Value::FILE && now.content.has_value() &&
        (finished.ended_file_clock_ns == 0 ||
         now.ctime_ns <= finished.ended_file_clock_ns)) {
      made.push_back({path, *now.content, now.mode});
    } else if (now.type == Value::DIRECTORY) {
      made.push_back({path, fingerprint::DirectoryDigest(), now.mode});
    }
  }
  return OwnOf(Canonical(finished.path_set), finished.leftovers,
               std::move(made));
}

void PutStored(const store::Database& database, const ActionKey& key,
               const StoredAction& stored, absl::Time now,
               store::Batch* batch) {
  const Result& result = stored.result;
  if (!result.root().empty()) {
    batch->Put(Table::kMeta, absl::StrCat("root:", key.root),
               fingerprint::RootId(key.root));
  }
  PutResult(database, key, stored.strong, result, now, batch);
  base::Digest last = stored.strong;
  if (stored.after.has_value()) {
    last = stored.after->strong;
    Result after = result;
    *after.mutable_values() = {stored.after->values.begin(),
                               stored.after->values.end()};
    PutResult(database, key, last, after, now, batch);
  }
  batch->Put(Table::kPathSets, result.path_set(),
             stored.path_set.SerializeAsString());
  PutWeak(database, stored.weak, result.path_set(), now, batch);
  PutOwnOutputs(database, stored.weak, stored.own_outputs, batch);
  // What the disk shows now: later differences are differences from that.
  PutLast(database, key, stored.weak, last, result.duration_us(), batch);
}

}  // namespace vt::cache
