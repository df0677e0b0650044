// SPDX-License-Identifier: Apache-2.0
//
// What the action made and removed (R-CACHE-14, 16; decisions H4 and H5).

#include <utility>

#include "absl/algorithm/container.h"

#include "daemon/base/path.h"
#include "daemon/fingerprint/glob_walk.h"
#include "daemon/run/collector.h"

namespace vt::run {

using track::Access;
using track::PreState;

void Collector::CollectOutputs() {
  const vtask::storage::v1::OutputConfig& config = in_.description->output();
  if (config.automatic()) {
    for (const auto& [path, access] : accesses_) {
      if (path.empty() || IsIgnoredOutput(path)) {
        continue;
      }
      if (access->is_output) {
        // What only nested actions wrote is theirs to declare.
        if (!access->by_nested || nested_outputs_.contains(path)) {
          outputs_.insert(path);
        }
      } else if (access->is_deletion &&
                 (!access->by_nested || nested_deletions_.contains(path))) {
        CollectDeletion(path, *access);
      }
    }
    for (const std::string& path : left_alone_) {
      if (!IsIgnoredOutput(path)) {
        outputs_.insert(path);
      }
    }
  }
  for (std::string& path : fingerprint::WalkGlobs(in_.root, config.globs())) {
    // Files that match an explicit glob are restored whatever a tool says
    // (tool-ipc case 95).
    out_.action.output_reporters[path].set_source(
        vtask::storage::v1::Provenance::DECLARED);
    outputs_.insert(std::move(path));
  }
  for (const ipc::PathReport& report : in_.reports->tracked_outputs) {
    if (std::optional<std::string> path =
            base::RelativeTo(base::NormalizePath(report.path), in_.root)) {
      if (!outputs_.contains(*path)) {
        out_.action.output_reporters[*path] = ProvenanceOf(report.origin);
      }
      outputs_.insert(*std::move(path));
    }
  }
  CheckOutputs();
  out_.action.outputs.assign(outputs_.begin(), outputs_.end());
  out_.action.own_changes.assign(mutated_.begin(), mutated_.end());
}

// What somebody else made of it is not the action's.
void Collector::CheckOutputs() {
  for (const auto& [path, access] : accesses_) {
    const bool is_lost = !access->is_output &&
                         in_.description->output().automatic() &&
                         !IsIgnoredOutput(path);
    if (access->changed_by_others && (is_lost || outputs_.contains(path))) {
      NotStored(vtask::v1::NotStored::OUTPUT_CHANGED,
                is_lost ? "somebody else removed an output while the task ran:"
                        : "somebody else changed an output while the task ran:",
                path);
    }
  }
}

void Collector::CollectDeletion(const std::string& path, const Access& access) {
  if (access.pre_state == PreState::kSymlink ||
      access.pre_state == PreState::kDirectory) {
    // A hit could not remove it.
    NotStored(vtask::v1::NotStored::INPUT_CHANGED,
              "the task removed a link or directory from before:", path);
  } else if (access.pre_digest.has_value()) {
    vtask::storage::v1::Deletion& deletion =
        out_.action.deletions.emplace_back();
    deletion.set_path(path);
    deletion.set_content_digest(std::string(access.pre_digest->AsBytes()));
  }
}

void Collector::FindWaysToProducts() {
  const auto add = [this](std::string path) {
    while (!path.empty() && ways_to_products_.insert(path).second) {
      path = std::string(base::Dirname(path));
    }
  };
  for (const std::string& path : outputs_) {
    add(path);
  }
  for (const auto& [path, access] : accesses_) {
    if (access->is_output) {
      add(path);
    }
  }
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
  if (!ways_to_products_.contains(directory)) {
    return false;
  }
  if (const auto memo = own_directories_.find(directory);
      memo != own_directories_.end()) {
    return memo->second;
  }
  bool own = false;
  // Of what a configuration makes nothing is brought back, and no user has said
  // that it need not be.
  const bool is_restored = !in_.watches_env;
  std::vector<fingerprint::DirectoryEntry> entries;
  if (is_restored && !directory.empty() && !TookThePlaceOfAFile(directory) &&
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

// The action saw, and removed, something else there, which it may have told:
// then it matters what stands there.
bool Collector::TookThePlaceOfAFile(const std::string& directory) const {
  const auto found = accesses_.find(directory);
  return found != accesses_.end() && found->second->mutated &&
         HadNoDirectory(*found->second);
}

// Written, restored or not, and not made of what somebody else had put there:
// sources that are formatted in place do not make their directory a product.
bool Collector::IsMade(const std::string& path) const {
  if (left_alone_.contains(path)) {
    return outputs_.contains(path);
  }
  const auto found = accesses_.find(path);
  if (found == accesses_.end()) {
    return false;
  }
  const Access& access = *found->second;
  return access.is_output &&
         ((access.observed & (track::kContent | track::kLinkText)) == 0 ||
          access.pre_state == PreState::kMissing || WasOwn(path, access));
}

// H4: whether an earlier output stood there before it was changed.
bool Collector::WasOwn(const std::string& path, const Access& access) const {
  return access.pre_digest.has_value() &&
         IsOwnContent(path, access.pre_digest->AsBytes());
}

}  // namespace vt::run
