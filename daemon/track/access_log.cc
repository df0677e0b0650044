// SPDX-License-Identifier: Apache-2.0
//
// Observations. Changes are in access_log_changes.cc, the comparison with the
// disk at the end in access_log_finish.cc.

#include "daemon/track/access_log.h"

#include <algorithm>
#include <climits>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

#include "daemon/base/path.h"
#include "daemon/track/not_stored.h"
#include "daemon/track/path_state.h"

namespace vt::track {

AccessLog::AccessLog(std::string root, std::vector<std::string> own_directories,
                     DigestFunction digest, ChangeSink enclosing,
                     ProgramFunction program_of)
    : root_(std::move(root)),
      own_directories_(std::move(own_directories)),
      digest_(std::move(digest)),
      enclosing_(std::move(enclosing)),
      program_of_(std::move(program_of)) {}

AccessLog::~AccessLog() = default;

AccessLog::PathState* AccessLog::Find(const std::string& path) {
  auto [it, is_new] = states_.try_emplace(path);
  if (is_new) {
    it->second.in_root = !root_.empty() && base::IsWithin(path, root_);
  }
  return &it->second;
}

bool AccessLog::IsOwnDirectory(const std::string& path) const {
  return std::any_of(own_directories_.begin(), own_directories_.end(),
                     [&path](const std::string& directory) {
                       return base::IsWithin(path, directory);
                     });
}

bool AccessLog::IsMadeDirectory(absl::string_view path) const {
  if (made_directories_.contains(path)) {
    return true;
  }
  const auto it = successors_.find(path);
  if (it == successors_.end()) {
    return false;
  }
  const std::optional<FileIdentity> now = LookAt(it->first);
  return now && SameFile(*now, it->second);
}

bool AccessLog::IsBelowOwnDirectory(const std::string& path) const {
  if (made_directories_.empty()) {
    return false;
  }
  for (absl::string_view up = base::Dirname(path); up.size() > 1;
       up = base::Dirname(up)) {
    if (IsMadeDirectory(up)) {
      return true;
    }
  }
  return false;
}

// A directory it made and then removed or renamed.
bool AccessLog::IsBelowLostDirectory(const std::string& path) const {
  for (absl::string_view up = base::Dirname(path); up.size() > 1;
       up = base::Dirname(up)) {
    if (!made_directories_.contains(up)) {
      continue;
    }
    const auto it = states_.find(up);
    const bool was_made = it == states_.end() || it->second.was_there;
    if (was_made && !LookAt(std::string(up))) {
      return true;
    }
  }
  return false;
}

// Below a link that it made or turned something may stand.
bool AccessLog::IsBelowChanged(const std::string& path) const {
  for (absl::string_view up = base::Dirname(path); up.size() > 1;
       up = base::Dirname(up)) {
    const auto it = states_.find(up);
    if (it != states_.end() && it->second.content_mutated) {
      return true;
    }
  }
  return false;
}

bool AccessLog::IsOwnProduct(const std::string& path) const {
  const auto it = states_.find(path);
  return (it != states_.end() && it->second.is_made()) ||
         IsBelowOwnDirectory(path);
}

// Of a product of the action's own: whether the record being taken was made
// before that was.
bool AccessLog::IsOlderThanProduct(const std::string& path) const {
  for (absl::string_view at = path; at.size() > 1; at = base::Dirname(at)) {
    const auto it = states_.find(at);
    if (it != states_.end() &&
        (it->second.is_made() || made_directories_.contains(at))) {
      return source_.epoch < it->second.made_epoch;
    }
  }
  return false;
}

// Something of somebody else's stood there, and had gone when the action made
// its own.
void AccessLog::AddVanished(const std::string& path, const PathState& state) {
  if (state.in_root) {
    AddFlaw(kInputChanged, "a file vanished while the task ran", path);
  }
}

void AccessLog::ObserveWay(const Resolved& at) {
  for (const std::string& link : at.links) {
    ObservePath(link, kLinkText, /*missing=*/false, nullptr);
  }
  for (const std::string& directory : at.left) {
    if (directory != root_) {
      ObservePath(directory, kExistence, /*missing=*/false, nullptr);
    }
  }
}

void AccessLog::Observe(const Resolved& at, uint32_t observed) {
  ObserveWay(at);
  switch (at.kind) {
    case Resolved::Kind::kNoFile:
    case Resolved::Kind::kTerminal:
      return;
    case Resolved::Kind::kFound:
      ObservePath(at.path, observed, /*missing=*/false, &at.status);
      return;
    case Resolved::Kind::kHidden:
      if (at.is_too_deep || at.path.size() >= PATH_MAX) {
        AddFlaw(kTrackingIncomplete, "a file is too deep to have a name");
      }
      if (at.is_too_deep) {
        return;
      }
      ObserveHidden(at.path);
      return;
    case Resolved::Kind::kMissing:
      break;
  }
  ObserveMissing(at, observed);
}

// Only the end counts. That a directory on the way is missing, too, nobody was
// told: if one comes, the end is there or not, and who only looks sees no more
// than that. (Who wants to make something there does, see Mutate.) But
// something that is no directory answers for the end (ENOTDIR): it is
// observed, and so is that the end was missing because of it.
void AccessLog::ObserveMissing(const Resolved& at, uint32_t observed) {
  if (at.blocked_by_file) {
    if (IsOwnProduct(at.first_missing)) {
      return;
    }
    ObservePath(at.first_missing, kExistence, /*missing=*/false, nullptr);
  }
  if (absl::StrContains(at.path, "/../") || absl::EndsWith(at.path, "/..")) {
    // Such an end has no path of its own. It is another one, or a file, as soon
    // as this component is there.
    if (!at.blocked_by_file) {
      ObservePath(at.first_missing, kExistence, /*missing=*/true, nullptr);
    }
    return;
  }
  const std::string path = base::NormalizePath(at.path);
  if (path == at.first_missing && at.blocked_by_file) {
    return;  // "file/.": what is missing has no name
  }
  ObservePath(path, observed, /*missing=*/true, nullptr);
  if (const auto it = states_.find(path);
      it != states_.end() && at.blocked_by_file) {
    it->second.is_blocked = true;
  }
}

void AccessLog::ObservePath(const std::string& path, uint32_t observed,
                            bool missing, const struct stat* status) {
  if (IsOwnDirectory(path)) {
    return;
  }
  PathState* state = Find(path);
  if (state->ensured_epoch != 0 && source_.epoch >= state->ensured_epoch &&
      status != nullptr && S_ISDIR(status->st_mode) &&
      (observed & ~uint32_t{kMetadata | kLinkMetadata | kExistence}) == 0) {
    // That a directory is there it knew: it would have made it.
    state->makes_parents |= (observed & kMetadata) != 0;
    return;
  }
  state->was_there |= !missing;
  if (state->is_made() || IsBelowOwnDirectory(path)) {
    // That something is *not* in a directory it made may be different when the
    // directory is there already.
    if (!missing) {
      if (IsOlderThanProduct(path)) {
        AddVanished(path, *state);
      }
      return;
    }
    if (state->mutated) {
      // It looked, then made it; or what should have made it has failed, or is
      // not over.
      if (state->is_made() &&
          (source_.epoch < state->made_epoch || !state->was_there)) {
        Observed(observed, missing, state);
      }
      return;
    }
  }
  if (state->content_mutated && source_.epoch < state->own_since) {
    ObserveRaced(path, observed, missing, state);
    return;
  }
  if (state->content_mutated) {
    // It was there before the first change. Is it still the same? If so the
    // change has not happened yet (another thread is about to make it) or never
    // will; doubt makes it an input.
    const std::optional<FileIdentity> now = LookAt(path);
    state->is_gone |= !now;
    state->replaced |= !now || !(state->pre == PreState::kDirectory
                                     ? SameFile(*now, state->before)
                                     : SameIdentity(*now, state->before));
    if (state->replaced) {
      return;
    }
    if ((observed & kContent) != 0) {
      TakeDigest(path, state);
    }
  }
  if (status != nullptr && state->first_seen.inode == 0) {
    state->first_seen = FileIdentity::Of(*status);
    state->is_fresh = source_.is_last && !state->missing && !state->found;
  }
  if (state->in_root && !state->mutated &&
      ((missing && state->found) || (!missing && state->missing))) {
    AddFlaw(kInputChanged,
            missing ? "a file vanished while the task ran"
                    : "a file appeared while the task ran",
            path);
  }
  Observed(observed, missing, state);
}

// Whether it is there cannot be told, now or later.
void AccessLog::ObserveHidden(const std::string& path) {
  if (!IsOwnDirectory(path) && !IsOwnProduct(path)) {
    PathState* state = Find(path);
    state->observed |= kExistence;
    NoteSource(state);
  }
}

void AccessLog::Observed(uint32_t observed, bool missing, PathState* state) {
  state->observed |= observed;
  state->missing |= missing;
  state->found |= !missing;
  NoteSource(state);
}

void AccessLog::NoteSource(PathState* state) {
  (source_.is_record() ? state->by_record : state->by_notification) = true;
  if (state->is_new) {
    state->is_new = false;
    state->first_program = source_.is_record() ? source_.program
                           : program_of_ != nullptr && source_.tid != 0
                               ? program_of_(source_.tid)
                               : -1;
  }
}

// A record of a call that was made before the action changed the path, heard
// after it.
void AccessLog::ObserveRaced(const std::string& path, uint32_t observed,
                             bool missing, PathState* state) {
  if (missing) {
    return;  // it saw the moment in between
  }
  if ((observed & kContent) != 0 && state->in_root &&
      state->pre == PreState::kFile) {
    TakeDigest(path, state);
    if (!state->digest && digest_) {
      state->is_flawed = true;
      AddFlaw(kTrackingIncomplete,
              "a file was read while another process of the task changed it",
              path);
    }
  }
  Observed(observed, missing, state);
}

void AccessLog::ObserveGone(const Resolved& at, uint32_t observed) {
  ObserveWay(at);
  const std::string& gone =
      at.first_missing.empty() ? at.path : at.first_missing;
  if (IsOwnDirectory(gone)) {
    return;
  }
  if (IsOwnProduct(gone)) {
    if (IsOlderThanProduct(gone)) {
      AddVanished(gone, *Find(gone));
    }
    return;
  }
  const auto it = states_.find(gone);
  if (it != states_.end() && it->second.mutated) {
    if (at.first_missing.empty()) {
      ObservePath(gone, observed, /*missing=*/false, nullptr);
    }
    return;  // else see MayHaveMoved
  }
  const bool is_known = !absl::StrContains(at.path, "/..");
  PathState* state = Find(is_known ? base::NormalizePath(at.path) : gone);
  if (state->in_root &&
      (!is_known || (observed & (kContent | kLinkText)) != 0)) {
    AddFlaw(kInputChanged, "an input changed while the task ran",
            is_known ? at.path : gone);
  }
  Observed(is_known ? observed : uint32_t{kExistence}, /*missing=*/false,
           state);
}

void AccessLog::ObserveAppeared(const Resolved& at, uint32_t observed) {
  ObserveWay(at);
  const bool is_own_way =
      std::any_of(at.links.begin(), at.links.end(),
                  [this](const std::string& link) { return IsChanged(link); });
  const auto it = states_.find(at.path);
  const bool is_made = it != states_.end() && it->second.is_made();
  if (!is_own_way && (is_made || !IsChanged(at.path))) {
    ObservePath(at.path, observed, /*missing=*/true, nullptr);
  }
}

bool AccessLog::IsChanged(const std::string& path) const {
  const auto it = states_.find(path);
  return (it != states_.end() && it->second.mutated) || IsOwnProduct(path);
}

bool AccessLog::WasMade(absl::string_view path, uint32_t epoch) const {
  if (mutated_.empty()) {
    return false;
  }
  const auto it = states_.find(path);
  return it != states_.end() && it->second.mutated &&
         it->second.pre == PreState::kMissing && it->second.creation_tried &&
         epoch < it->second.made_epoch;
}

bool AccessLog::MayHaveMoved(const Resolved& at) const {
  if (source_.epoch >= names_epoch_) {
    return false;
  }
  const auto has_moved = [this](absl::string_view path) {
    const auto it = states_.find(path);
    return it != states_.end() && it->second.mutated &&
           source_.epoch < it->second.changed_epoch;
  };
  if (std::any_of(at.links.begin(), at.links.end(), has_moved)) {
    return true;
  }
  for (absl::string_view up = base::Dirname(at.path); up.size() > 1;
       up = base::Dirname(up)) {
    if (has_moved(up)) {
      return true;
    }
  }
  return false;
}

void AccessLog::AddFlaw(int reason, std::string text, std::string path) {
  for (const Flaw& flaw : flaws_) {
    if (flaw.reason == reason && flaw.path == path && flaw.text == text) {
      return;
    }
  }
  flaws_.push_back({reason, std::move(text), std::move(path)});
}

}  // namespace vt::track
