// SPDX-License-Identifier: Apache-2.0
//
// Changes: what is kept of what stood there, and what belongs to the action
// from then on.

#include <optional>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

#include "daemon/base/path.h"
#include "daemon/track/access_log.h"
#include "daemon/track/path_state.h"

namespace vt::track {

Disturbance AccessLog::DisturbanceOf(const Resolved& at, Change change) const {
  if (at.kind != Resolved::Kind::kFound || IsOwnDirectory(at.path)) {
    const auto it = states_.find(at.path);
    // What stands there now decides how the records of what stood there before
    // would be resolved.
    return at.kind == Resolved::Kind::kMissing && it != states_.end() &&
                   it->second.mutated
               ? Disturbance::kNames
               : Disturbance::kNone;
  }
  if (change == Change::kCreate || change == Change::kCreateDirectory) {
    return Disturbance::kNone;  // it will fail
  }
  if (S_ISDIR(at.status.st_mode)) {
    return Disturbance::kNames;
  }
  if (change == Change::kMode) {
    return Disturbance::kNone;
  }
  if (S_ISLNK(at.status.st_mode)) {
    return Disturbance::kNames;
  }
  if (root_.empty() || !base::IsWithin(at.path, root_) ||
      IsOwnProduct(at.path)) {
    return Disturbance::kNone;
  }
  const auto it = states_.find(at.path);
  const bool is_own_content =
      it != states_.end() && it->second.content_mutated &&
      (it->second.replaced ||
       !SameIdentity(FileIdentity::Of(at.status), it->second.before));
  return is_own_content ? Disturbance::kNone : Disturbance::kContent;
}

void AccessLog::TakeDigest(const std::string& path, PathState* state) {
  if (state->digest_tried || state->pre != PreState::kFile || !state->in_root ||
      !digest_) {
    return;
  }
  // Only while the old content is still there.
  const std::optional<FileIdentity> now = LookAt(path);
  if (!now || !SameContent(*now, state->before)) {
    return;
  }
  state->digest_tried = true;
  state->digest = digest_(path);
}

bool AccessLog::NeedsMode(const std::string& path, Change change) const {
  const auto it = states_.find(path);
  return it == states_.end() ||
         (change == Change::kCreateDirectory ? it->second.ensured_epoch == 0
                                             : !it->second.mutated);
}

void AccessLog::Mutate(const Resolved& at, Change change,
                       std::optional<mode_t> mode, bool by_nested) {
  if (at.kind == Resolved::Kind::kNoFile ||
      at.kind == Resolved::Kind::kTerminal || IsOwnDirectory(at.path)) {
    return;
  }
  if (enclosing_) {
    enclosing_({&at, change, nullptr, false, source_.tid, mode});
  }
  const bool creates =
      change == Change::kCreate || change == Change::kCreateDirectory;
  // The links and directories on the way were looked at, whatever comes of it.
  const bool will_fail =
      at.kind == Resolved::Kind::kHidden || !at.first_missing.empty() ||
      (at.found() ? creates : !creates && change != Change::kOverwrite);
  if (will_fail) {
    if (!by_nested) {
      Observe(at, kExistence);
    }
    if (!by_nested && !at.first_missing.empty() && !at.blocked_by_file &&
        creates && !absl::StrContains(at.path, "/..")) {
      // In a directory that is there it would have been made. Not that any
      // other on the way is missing, see Observe().
      ObservePath(base::NormalizePath(base::Dirname(at.path)), kExistence,
                  /*missing=*/true, nullptr);
    }
    if (const auto it = states_.find(at.path);
        it != states_.end() && change == Change::kCreateDirectory) {
      PathState& there = it->second;
      there.is_ensured = true;
      if (!by_nested && there.ensured_epoch == 0 &&
          S_ISDIR(at.status.st_mode)) {
        there.ensured_mode = mode;
        there.ensured_epoch = epoch_;
      }
    }
    return;
  }
  if (!by_nested) {
    ObserveWay(at);
  }
  PathState* state = Find(at.path);
  NoteSource(state);
  state->self_mutated |= !by_nested;
  const bool is_first = !state->mutated;
  if (at.found()) {
    state->was_there = true;
    state->changed_epoch = epoch_;
    if (S_ISLNK(at.status.st_mode) || S_ISDIR(at.status.st_mode)) {
      names_epoch_ = epoch_;
    }
  }
  if (is_first) {
    if (!at.found() && state->found) {
      AddVanished(at.path, *state);
    }
    state->mutated = true;
    state->pre = PreState::kMissing;
    mutated_.insert(at.path);
    // Below a directory that it made nothing stood. What it looked for there is
    // an input: the directory may be there the next time.
    if (!IsBelowOwnDirectory(at.path) && at.found()) {
      state->pre = TypeOf(at.status.st_mode);
      state->before = FileIdentity::Of(at.status);
    }
  }
  if (state->is_made() && !state->was_there) {
    state->made_epoch = epoch_;
  }
  if (is_first) {
    state->new_mode = change == Change::kMode ? std::nullopt : mode;
  }
  if (change == Change::kMode && mode.has_value()) {
    state->set_mode = mode;
  }
  if (change == Change::kCreateDirectory &&
      state->pre != PreState::kDirectory) {
    made_directories_.insert(at.path);
  }
  state->is_gone |= state->existed() && !at.found();
  state->replaced |= state->is_gone;
  const bool old_is_there =
      state->existed() && at.found() && !state->replaced &&
      (state->content_mutated
           ? SameIdentity(FileIdentity::Of(at.status), state->before)
           : SameContent(FileIdentity::Of(at.status), state->before));
  if (old_is_there) {
    state->own_since = epoch_;
    state->is_overwritten |= change == Change::kOverwrite && !by_nested;
    NoteOldContent(at.path, change, by_nested, state);
  }
  state->content_mutated |= change != Change::kMode;
  state->is_ensured |= change == Change::kCreateDirectory;
  state->creation_tried |=
      change == Change::kCreate || change == Change::kCreateDirectory;
}

void AccessLog::NoteOldContent(const std::string& path, Change change,
                               bool by_nested, PathState* state) {
  if (by_nested) {
    TakeDigest(path, state);  // a nested action may have read it
    return;
  }
  const bool goes_on = change == Change::kWrite ||
                       change == Change::kMoveAway ||
                       (change == Change::kMode && state->in_root);
  if (goes_on && state->pre == PreState::kFile) {
    state->observed |= kContent;
    state->found = true;
  } else if (goes_on && state->pre == PreState::kSymlink) {
    state->observed |= kLinkText;
    state->found = true;
  }
  if (change == Change::kRemove || change == Change::kOverwrite ||
      (state->observed & kContent) != 0) {
    TakeDigest(path, state);
  }
}

// A directory it made, `from`, will be `to`.
void AccessLog::DirectoryMoves(const std::string& from, const std::string& to) {
  if (!LookAt(to)) {
    made_directories_.insert(to);
  } else if (const std::optional<FileIdentity> own = LookAt(from)) {
    successors_[to] = *own;
  }
}

void AccessLog::MoveDirectory(const Resolved& from, const Resolved& to,
                              bool exchange, bool by_nested) {
  if (enclosing_) {
    enclosing_({&from, Change::kMoveAway, &to, exchange, source_.tid});
  }
  if (!from.found() || !S_ISDIR(from.status.st_mode)) {
    return;
  }
  if (!IsOwnProduct(from.path)) {
    const bool matters = !root_.empty() && (base::IsWithin(from.path, root_) ||
                                            base::IsWithin(to.path, root_));
    if (matters) {
      moves_.push_back({from.path, from.status.st_dev, from.status.st_ino});
    }
    return;
  }
  DirectoryMoves(from.path, to.path);
  const std::string prefix = absl::StrCat(from.path, "/");
  std::vector<std::string> names;
  for (auto it = mutated_.lower_bound(prefix);
       it != mutated_.end() && base::IsWithin(*it, from.path); ++it) {
    names.push_back(it->substr(from.path.size()));
  }
  for (const std::string& name : names) {
    const std::string path = absl::StrCat(to.path, name);
    if (IsMadeDirectory(absl::StrCat(from.path, name))) {
      DirectoryMoves(absl::StrCat(from.path, name), path);
    }
    PathState* state = Find(path);
    state->self_mutated |= !by_nested;
    if (state->mutated) {
      continue;
    }
    state->mutated = state->content_mutated = state->creation_tried = true;
    state->was_there = true;
    state->made_epoch = state->own_since = epoch_;
    mutated_.insert(path);
    NoteSource(state);
    // If something stands there now, the rename will fail, or exchange them.
    const std::optional<FileIdentity> now = LookAt(path);
    state->pre = now && !exchange ? TypeOf(now->mode) : PreState::kMissing;
    state->before = now.value_or(FileIdentity());
  }
}

}  // namespace vt::track
