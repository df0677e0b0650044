// SPDX-License-Identifier: Apache-2.0

#include "daemon/run/collect.h"

#include <map>
#include <set>
#include <tuple>
#include <utility>

#include "absl/algorithm/container.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

#include "daemon/base/file.h"
#include "daemon/base/path.h"
#include "daemon/fingerprint/glob_walk.h"
#include "daemon/fingerprint/observe.h"
#include "daemon/fingerprint/sink.h"
#include "daemon/run/dotenv.h"
#include "daemon/run/ignored_paths.h"
#include "daemon/run/patterns.h"
#include "daemon/run/verdict.h"

namespace vt::run {
namespace {

namespace storage = vtask::storage::v1;
using storage::Observation;
using storage::Value;
using track::Access;
using track::PreState;
using vtask::v1::NotStored;

void SetProvenance(const ipc::ToolOrigin& origin, Observation* observation) {
  storage::Provenance* provenance = observation->mutable_provenance();
  provenance->set_source(storage::Provenance::TOOL);
  provenance->set_pid(static_cast<uint32_t>(origin.pid));
  provenance->set_argv0(origin.argv0);
}

// One pass over one action. Paths in here are relative to the root.
class Collector {
 public:
  explicit Collector(const CollectInput& input)
      : in_(input),
        ignored_inputs_(input.root, input.reports->ignored_inputs),
        ignored_outputs_(input.root, input.reports->ignored_outputs),
        excluded_inputs_(input.description->input().globs()),
        excluded_outputs_(input.description->output().globs()),
        untracked_(input.user_untracked) {}

  Collected Run() {
    out_.not_stored = ReasonNotToStore(in_, &out_.notes);
    if (!out_.not_stored.has_value()) {
      CheckFlaws();
    }
    if (out_.not_stored.has_value()) {
      return std::move(out_);
    }
    SplitAccesses();
    CollectOutputs();
    FindOwnDirectories();
    if (in_.description->input().automatic()) {
      CollectInputs();
    }
    CollectToolchain();
    CollectGlobs();
    CollectToolReports();
    Publish();
    return std::move(out_);
  }

 private:
  struct Key {
    int kind;
    std::string path;
    bool operator<(const Key& other) const {
      return std::tie(kind, path) < std::tie(other.kind, other.path);
    }
  };

  void CheckFlaws();
  bool Matters(const track::Flaw& flaw) const;
  void SplitAccesses();
  void CollectOutputs();
  void FindOwnDirectories();
  bool IsOwnDirectory(const std::string& directory);
  bool IsMade(const std::string& path) const;
  void CollectInputs();
  void CollectAccess(const std::string& path, const Access& access);
  std::vector<Observation::Kind> KindsOf(const Access& access) const;
  void KnowBefore(Observation* observation, const Access& access);
  void CollectListing(const std::string& path);
  void CollectToolchain();
  void CollectGlobs();
  void CollectToolReports();
  void CollectEnv();
  void CollectDotenv();
  void Publish();

  bool IsIgnoredInput(const std::string& path) const;
  bool IsIgnoredOutput(const std::string& path) const;
  Observation* Observe(Observation::Kind kind, const std::string& path);
  void Know(Observation::Kind kind, const std::string& path, Value value);
  Value PreValue(Observation::Kind kind, const Access& access) const;

  const CollectInput& in_;
  const IgnoredPaths ignored_inputs_, ignored_outputs_;
  const Exclusions excluded_inputs_, excluded_outputs_;
  const NamePatterns untracked_;
  Collected out_;
  std::map<Key, Observation> observations_;
  std::map<std::string, const Access*> accesses_;  // below the root
  std::map<std::string, std::set<std::string>> mutated_children_;
  std::set<std::string> mutated_, outputs_;
  std::map<std::string, bool> own_directories_;  // memo
};

void Collector::CheckFlaws() {
  // What was declared needs no tracking, and does not suffer from its flaws.
  if (in_.accesses == nullptr || (!in_.description->input().automatic() &&
                                  !in_.description->output().automatic())) {
    return;
  }
  for (const track::Flaw& flaw : in_.accesses->flaws) {
    if (Matters(flaw)) {
      out_.not_stored = MakeNotStored(
          static_cast<NotStored::Reason>(flaw.reason), flaw.text, flaw.path);
      return;
    }
  }
}

// A flaw of one path is none if that path does not count.
bool Collector::Matters(const track::Flaw& flaw) const {
  if (flaw.reason != NotStored::INPUT_CHANGED &&
      flaw.reason != NotStored::DEVICE_OR_LIMIT) {
    return true;
  }
  const std::optional<std::string> path = base::RelativeTo(flaw.path, in_.root);
  if (!path.has_value() || base::IsWithin(*path, ".git")) {
    return false;
  }
  const bool may_be_output = flaw.reason == NotStored::DEVICE_OR_LIMIT &&
                             in_.description->output().automatic() &&
                             !IsIgnoredOutput(*path);
  const bool may_be_input =
      in_.description->input().automatic() && !IsIgnoredInput(*path);
  return may_be_input || may_be_output;
}

// Sorts out what lies below the root. The repository's own metadata never
// counts (R-CACHE-13).
void Collector::SplitAccesses() {
  if (in_.accesses == nullptr) {
    return;
  }
  for (const Access& access : in_.accesses->accesses) {
    const std::optional<std::string> path =
        base::RelativeTo(access.path, in_.root);
    if (!path.has_value() || base::IsWithin(*path, ".git")) {
      continue;
    }
    accesses_.emplace(*path, &access);
    if (access.mutated) {
      mutated_.insert(*path);
      if (!path->empty()) {
        mutated_children_[std::string(base::Dirname(*path))].insert(*path);
      }
    }
  }
}

bool Collector::IsIgnoredInput(const std::string& path) const {
  return ignored_inputs_.Covers(path) || excluded_inputs_.Covers(path);
}

bool Collector::IsIgnoredOutput(const std::string& path) const {
  return ignored_outputs_.Covers(path) || excluded_outputs_.Covers(path);
}

void Collector::CollectOutputs() {
  const storage::OutputConfig& config = in_.description->output();
  if (config.automatic()) {
    for (const auto& [path, access] : accesses_) {
      if (path.empty() || IsIgnoredOutput(path)) {
        continue;
      }
      if (access->is_output) {
        outputs_.insert(path);
      } else if (access->is_deletion &&
                 (access->pre_state == PreState::kSymlink ||
                  access->pre_state == PreState::kDirectory)) {
        // A hit could not remove it.
        out_.not_stored = MakeNotStored(
            NotStored::INPUT_CHANGED,
            "the task removed a link or directory from before:", path);
      } else if (access->is_deletion && access->pre_digest.has_value()) {
        storage::Deletion& deletion = out_.action.deletions.emplace_back();
        deletion.set_path(path);
        deletion.set_content_digest(std::string(access->pre_digest->AsBytes()));
      }
    }
  }
  for (std::string& path : fingerprint::WalkGlobs(in_.root, config.globs())) {
    // Files that match an explicit glob are restored whatever a tool says
    // (tool-ipc case 95).
    outputs_.insert(std::move(path));
  }
  for (const ipc::PathReport& report : in_.reports->tracked_outputs) {
    if (std::optional<std::string> path =
            base::RelativeTo(base::NormalizePath(report.path), in_.root)) {
      outputs_.insert(*std::move(path));
    }
  }
  out_.action.outputs.assign(outputs_.begin(), outputs_.end());
  out_.action.own_changes.assign(mutated_.begin(), mutated_.end());
}

// A directory all of whose entries the action made (R-CACHE-14, 16): whether it
// is there, and what else is in it, does not matter; a hit brings it back.
void Collector::FindOwnDirectories() {
  for (const auto& [path, access] : accesses_) {
    if (!path.empty() && mutated_children_.contains(path) &&
        IsOwnDirectory(path)) {
      out_.action.refilled.push_back(path);
    }
  }
}

bool Collector::IsOwnDirectory(const std::string& directory) {
  if (const auto memo = own_directories_.find(directory);
      memo != own_directories_.end()) {
    return memo->second;
  }
  bool own = false;
  std::vector<fingerprint::DirectoryEntry> entries;
  if (!directory.empty() &&
      fingerprint::ListDirectory(base::JoinPath(in_.root, directory),
                                 &entries)) {
    own = entries.empty()
              ? outputs_.contains(directory)
              : absl::c_all_of(
                    entries, [&](const fingerprint::DirectoryEntry& entry) {
                      const std::string path =
                          base::JoinPath(directory, entry.name);
                      return IsMade(path) || (entry.type == Value::DIRECTORY &&
                                              IsOwnDirectory(path));
                    });
  }
  own_directories_[directory] = own;
  return own;
}

// An output that does not go back to what somebody else had put there: sources
// that are formatted in place do not make their directory a product.
bool Collector::IsMade(const std::string& path) const {
  const auto found = accesses_.find(path);
  if (!outputs_.contains(path) || found == accesses_.end()) {
    return false;
  }
  const Access& access = *found->second;
  return access.mutated &&
         ((access.observed & (track::kContent | track::kLinkText)) == 0 ||
          access.pre_state == PreState::kMissing ||
          (access.pre_digest.has_value() && in_.is_own_output != nullptr &&
           in_.is_own_output(path, *access.pre_digest)));
}

Observation* Collector::Observe(Observation::Kind kind,
                                const std::string& path) {
  Observation& observation = observations_[{kind, path}];
  observation.set_kind(kind);
  observation.set_path(path);
  return &observation;
}

void Collector::Know(Observation::Kind kind, const std::string& path,
                     Value value) {
  out_.action.known_values[{kind, path}] = std::move(value);
}

// What an observation saw before the action changed the path.
Value Collector::PreValue(Observation::Kind kind, const Access& access) const {
  Value value;
  switch (access.pre_state) {
    case PreState::kMissing:
      value.set_type(Value::MISSING);
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

void Collector::CollectInputs() {
  for (const auto& [path, access] : accesses_) {
    if ((access->observed != 0 || access->is_deletion) &&
        !IsIgnoredInput(path)) {
      CollectAccess(path, *access);
    }
  }
}

void Collector::CollectAccess(const std::string& path, const Access& access) {
  if (IsOwnDirectory(path)) {
    return;
  }
  if ((access.observed & track::kListing) != 0 && !access.missing &&
      !(access.mutated && access.pre_state == PreState::kMissing)) {
    CollectListing(path);
  }
  for (const Observation::Kind kind : KindsOf(access)) {
    Observation* observation = Observe(kind, path);
    if (access.mutated) {
      KnowBefore(observation, access);
    } else {
      out_.action.found_missing[path] = access.missing;
    }
  }
}

// The strongest word suffices: content says all that metadata says, but times,
// which do not count.
std::vector<Observation::Kind> Collector::KindsOf(const Access& access) const {
  const auto saw = [&](uint32_t bits) { return (access.observed & bits) != 0; };
  std::vector<Observation::Kind> kinds;
  if (saw(track::kLinkText)) {
    kinds.push_back(Observation::LINK);
  }
  // That it was there to be removed, and what is then lost, is an input: only
  // an equal file is removed by a hit (decisions H5).
  if (saw(track::kContent | track::kExecuted) ||
      (access.is_deletion && access.pre_digest.has_value())) {
    kinds.push_back(Observation::CONTENT);
  } else if (saw(track::kMetadata | track::kLinkMetadata)) {
    kinds.push_back(Observation::METADATA);
  } else if (saw(track::kExistence) ||
             (saw(track::kListing) && access.missing)) {
    kinds.push_back(Observation::EXISTENCE);
  }
  return kinds;
}

// An input that the action then changed: the disk no longer shows what it saw
// (decisions H4).
void Collector::KnowBefore(Observation* observation, const Access& access) {
  const std::string& path = observation->path();
  const Observation::Kind kind = observation->kind();
  if (kind == Observation::LINK && access.pre_state == PreState::kSymlink) {
    // The text it had is gone: we cannot prove what was read.
    out_.not_stored =
        MakeNotStored(NotStored::INPUT_CHANGED,
                      "the task replaced a link that it had followed:", path);
    return;
  }
  const bool was_missing = access.pre_state == PreState::kMissing;
  const bool was_own = access.pre_digest.has_value() &&
                       in_.is_own_output != nullptr &&
                       in_.is_own_output(path, *access.pre_digest);
  if (outputs_.contains(path) && (was_missing || was_own)) {
    observation->set_rebuildable(true);
    Value value;
    value.set_type(Value::REBUILDABLE);
    Know(kind, path, std::move(value));
    return;
  }
  if (kind == Observation::CONTENT && access.pre_state == PreState::kFile &&
      !access.pre_digest.has_value()) {
    out_.not_stored = MakeNotStored(
        NotStored::DEVICE_OR_LIMIT,
        "the content it had before the task changed it is not known:", path);
    return;
  }
  Know(kind, path, PreValue(kind, access));
}

void Collector::CollectListing(const std::string& path) {
  Observation* observation = Observe(Observation::LISTING, path);
  std::set<std::string> ignored;
  if (const auto changed = mutated_children_.find(path);
      changed != mutated_children_.end()) {
    ignored = changed->second;
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

// Files executed outside the workspace: a new node or compiler is a miss (H6).
void Collector::CollectToolchain() {
  if (in_.accesses == nullptr || !in_.description->toolchain_executed()) {
    return;
  }
  for (const Access& access : in_.accesses->accesses) {
    if ((access.observed & track::kExecuted) != 0 && !access.missing &&
        !base::IsWithin(access.path, in_.root)) {
      Observe(Observation::EXECUTED, access.path);
    }
  }
  for (const std::string& name : in_.accesses->linked_programs) {
    if (!base::IsWithin(name, in_.root)) {
      Observe(Observation::EXECUTED, name);
    }
  }
}

void Collector::CollectGlobs() {
  bool has_positive = false;
  for (const storage::Glob& glob : in_.description->input().globs()) {
    has_positive = has_positive || !glob.negative();
  }
  if (!has_positive || !in_.globs_before.has_value()) {
    return;
  }
  Observation* observation = Observe(Observation::GLOB, "");
  *observation->mutable_globs() = in_.description->input().globs();
  observation->mutable_provenance()->set_source(storage::Provenance::DECLARED);
  fingerprint::World world;
  world.root = in_.root;
  world.files = in_.files;
  const Value after = fingerprint::Observe(*observation, world);
  std::vector<vtask::v1::Difference> differences;
  fingerprint::AppendDifferences(*observation, *in_.globs_before, after,
                                 &differences);
  for (const vtask::v1::Difference& difference : differences) {
    if (!mutated_.contains(difference.path())) {
      out_.not_stored = MakeNotStored(
          NotStored::INPUT_CHANGED,
          "an input changed while the task ran:", difference.path());
      return;
    }
    out_.notes.push_back(absl::StrCat(
        "not reusable: it changed its own input '", difference.path(), "'"));
  }
  Know(Observation::GLOB, "", *in_.globs_before);
}

void Collector::CollectToolReports() {
  CollectEnv();
  if (in_.description->input().automatic()) {
    CollectDotenv();
  }
  for (const ipc::PathReport& report : in_.reports->tracked_inputs) {
    if (std::optional<std::string> path =
            base::RelativeTo(base::NormalizePath(report.path), in_.root)) {
      SetProvenance(report.origin, Observe(Observation::CONTENT, *path));
    }
  }
  for (const ipc::ValueReport& report : in_.reports->values) {
    SetProvenance(report.origin, Observe(Observation::TOOL_VALUE, report.key));
    Value value;
    value.set_type(Value::SET);
    value.set_digest(std::string(fingerprint::Sha256(report.value).AsBytes()));
    Know(Observation::TOOL_VALUE, report.key, std::move(value));
  }
}

void Collector::CollectEnv() {
  std::set<std::string> declared;
  for (const storage::EnvValue& env : in_.description->env()) {
    declared.insert(env.name());
  }
  for (const ipc::EnvReport& report : in_.reports->env) {
    if (!report.tracked) {
      continue;
    }
    switch (report.kind) {
      case ipc::EnvReport::Kind::kName:
        // The key has it already, or the user said not to care (D6, H14).
        if (!declared.contains(report.text) &&
            !untracked_.Matches(report.text)) {
          SetProvenance(report.origin, Observe(Observation::ENV, report.text));
        }
        break;
      case ipc::EnvReport::Kind::kGlob:
        SetProvenance(report.origin,
                      Observe(Observation::ENV_GLOB, report.text));
        break;
      case ipc::EnvReport::Kind::kPrefix:
        SetProvenance(report.origin,
                      Observe(Observation::ENV_PREFIX, report.text));
        break;
    }
  }
}

void Collector::CollectDotenv() {
  std::set<std::string> names;
  for (const auto& [key, observation] : observations_) {
    if (observation.kind() != Observation::CONTENT ||
        !IsDotenvFile(observation.path())) {
      continue;
    }
    if (const absl::StatusOr<std::string> text =
            base::ReadFile(base::JoinPath(in_.root, observation.path()));
        text.ok()) {
      names.merge(DotenvReferences(*text));
    }
  }
  for (const std::string& name : names) {
    if (untracked_.Matches(name)) {
      out_.notes.push_back(absl::StrCat(
          "a .env file expands `", name,
          "`, which `untrackedEnv` lists: its changes do not count"));
      continue;
    }
    Observe(Observation::ENV, name)
        ->mutable_provenance()
        ->set_source(storage::Provenance::DOTENV);
  }
}

void Collector::Publish() {
  for (auto& [key, observation] : observations_) {
    *out_.action.path_set.add_observations() = std::move(observation);
  }
}

}  // namespace

Collected Collect(const CollectInput& input) { return Collector(input).Run(); }

}  // namespace vt::run
