// SPDX-License-Identifier: Apache-2.0
//
// The end: what came of it, by comparison with the disk.

#include <algorithm>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/string_view.h"

#include "daemon/base/file_clock.h"
#include "daemon/base/path.h"
#include "daemon/track/access_log.h"
#include "daemon/track/not_stored.h"
#include "daemon/track/path_state.h"

namespace vt::track {
namespace {

bool CanBeRestored(mode_t mode) { return TypeOf(mode) != PreState::kOther; }

}  // namespace

void AccessLog::FinishMoves() {
  for (const Move& move : moves_) {
    const std::optional<FileIdentity> now = LookAt(move.from);
    if (now && now->device == move.device && now->inode == move.inode) {
      continue;  // the rename failed
    }
    AddFlaw(kTrackingIncomplete, "a directory from before the task was renamed",
            move.from);
  }
}

void AccessLog::FinishMutation(const std::string& path, PathState* state) {
  const std::optional<FileIdentity> now = LookAt(path);
  if (!state->existed()) {
    if (now) {
      state->is_output = state->in_root && CanBeRestored(now->mode);
    } else if (!state->creation_tried) {
      // unlink, chmod or rename of what was not there: it learnt that.
      state->mutated = false;
      if (state->self_mutated) {
        state->observed |= kExistence;
      }
      state->missing = true;
    }
    return;
  }
  if (!now) {
    state->is_deletion = state->in_root && CanBeRestored(state->before.mode);
    if (state->is_deletion && state->pre == PreState::kFile && !state->digest &&
        digest_) {
      AddFlaw(kDeviceOrLimit,
              state->digest_tried
                  ? "what was removed is too large or unreadable to be "
                    "remembered"
                  : "what was removed had been overwritten before, unread",
              path);
    }
  } else if (state->replaced) {
    state->is_output = state->in_root && CanBeRestored(now->mode);
  } else if (state->pre == PreState::kDirectory
                 ? SameFile(*now, state->before) &&
                       now->mode == state->before.mode
             : state->content_mutated ? SameIdentity(*now, state->before)
                                      : SameContent(*now, state->before) &&
                                            now->mode == state->before.mode) {
    // Nothing came of it, but that it was there was noticed.
    state->mutated = false;
    if (state->self_mutated) {
      state->observed |= kExistence;
    }
    state->found = true;
    return;
  } else {
    state->is_output = state->in_root && CanBeRestored(now->mode);
    if (!state->content_mutated && (state->observed & kContent) != 0) {
      TakeDigest(path, state);  // read after a chmod: still the old content
    }
  }
  if (now) {
    FinishMode(*now, state);
  }
  if (state->in_root && digest_ && state->pre == PreState::kFile &&
      (state->observed & kContent) != 0 && !state->digest &&
      !state->is_deletion && !state->is_flawed) {
    AddFlaw(kDeviceOrLimit,
            "what was read and then overwritten is too large or unreadable to "
            "be remembered",
            path);
  }
}

// Of an output that existed before.
void AccessLog::FinishMode(const FileIdentity& now, PathState* state) {
  state->is_kept = !state->is_gone && SameFile(now, state->before);
  if (!state->is_kept || state->set_mode != (now.mode & 07777)) {
    state->set_mode.reset();  // it failed, or somebody set another one since
  }
}

void AccessLog::FinishObservation(const std::string& path, PathState* state) {
  if (!state->in_root || state->observed == 0 || state->is_fresh) {
    return;
  }
  const std::optional<FileIdentity> now = LookAt(path);
  if (state->missing && !state->found) {
    if (IsBelowOwnDirectory(path)) {
      if (now || IsBelowLostDirectory(path)) {
        state->observed = 0;  // it made it, or removed the directory
      }
      if (now) {
        // The directory was being made by another thread when the call that
        // made this was heard: it looked as if that would fail.
        state->mutated = true;
        state->pre = PreState::kMissing;
        state->is_output = CanBeRestored(now->mode);
      }
    } else if (now && !IsBelowChanged(path)) {
      AddFlaw(kInputChanged, "a file appeared while the task ran", path);
    }
    return;
  }
  if (state->first_seen.inode == 0 ||
      (state->observed & (kContent | kLinkText | kExecuted)) == 0 ||
      (state->first_seen.mode & S_IFMT) == S_IFDIR) {
    return;
  }
  if (!now || !SameContent(*now, state->first_seen)) {
    AddFlaw(kInputChanged, "an input changed while the task ran", path);
  }
}

// A record does not say which directory its name led through. One that was put
// into the place of another while the action ran shows a new ctime, and, unless
// somebody also changed what is in it, an old mtime.
void AccessLog::CheckDirectories(int64_t start_ns,
                                 const std::vector<Item*>& sorted) {
  absl::flat_hash_set<std::string> checked;
  absl::string_view last;  // most paths have the directory of the one before
  for (const Item* item : sorted) {
    const auto& [path, state] = *item;
    if (!state.by_record || !state.in_root || state.observed == 0) {
      continue;
    }
    absl::string_view up = base::Dirname(path);
    if (up == std::exchange(last, up)) {
      continue;
    }
    for (; base::IsWithin(up, root_) && up.size() > root_.size();
         up = base::Dirname(up)) {
      const std::string directory(up);
      if (!checked.insert(directory).second) {
        break;
      }
      struct stat status;
      if (IsChanged(directory) || ::lstat(directory.c_str(), &status) != 0) {
        continue;
      }
      if (base::ToNs(status.st_ctim) >= start_ns &&
          base::ToNs(status.st_mtim) < start_ns) {
        AddFlaw(kInputChanged, "a directory was moved while the task ran",
                directory);
      }
    }
  }
}

Access AccessLog::ToAccess(const std::string& path, const PathState& state) {
  Access access;
  access.path = path;
  access.observed = state.observed;
  access.missing = state.missing && !state.found;
  access.is_blocked = access.missing && state.is_blocked;
  access.by_notification = state.by_notification;
  access.by_record = state.by_record;
  access.first_program = state.first_program;
  access.is_ensured = state.is_ensured;
  access.ensured_mode = state.ensured_mode;
  access.makes_parents = state.makes_parents;
  access.mutated = state.mutated;
  if (state.mutated) {
    access.pre_state = state.pre;
    access.pre_digest = state.digest;
    access.pre_size = state.before.size;
    access.pre_mode = state.before.mode;
    access.is_kept = state.is_kept;
    access.new_mode = state.new_mode;
    access.set_mode = state.set_mode;
    access.is_output = state.is_output;
    access.is_deletion = state.is_deletion;
    access.is_overwritten = state.is_overwritten;
    access.by_nested = !state.self_mutated;
  }
  return access;
}

void AccessLog::Finish(int64_t start_ns, AccessSet* set) {
  FinishMoves();
  std::vector<Item*> sorted;
  sorted.reserve(states_.size());
  for (Item& item : states_) {
    sorted.push_back(&item);
  }
  std::sort(sorted.begin(), sorted.end(),
            [](const Item* a, const Item* b) { return a->first < b->first; });
  if (start_ns != 0) {
    CheckDirectories(start_ns, sorted);
  }
  set->accesses.reserve(sorted.size());
  for (Item* item : sorted) {
    auto& [path, state] = *item;
    if (state.mutated) {
      FinishMutation(path, &state);
    } else {
      FinishObservation(path, &state);
    }
    if (state.observed != 0 || state.mutated) {
      set->accesses.push_back(ToAccess(path, state));
    }
  }
  for (Flaw& flaw : flaws_) {
    set->flaws.push_back(std::move(flaw));
  }
  // Found in the order of a hash table.
  std::sort(set->flaws.begin(), set->flaws.end(),
            [](const Flaw& a, const Flaw& b) {
              return std::tie(a.reason, a.path, a.text) <
                     std::tie(b.reason, b.path, b.text);
            });
}

}  // namespace vt::track
