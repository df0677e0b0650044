// SPDX-License-Identifier: Apache-2.0

#include "daemon/track/access_log.h"

#include <algorithm>
#include <climits>
#include <tuple>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

#include "daemon/base/path.h"
#include "daemon/track/not_stored.h"

namespace vt::track {
namespace {

bool SameTime(const timespec& a, const timespec& b) {
  return a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec;
}

bool SameFile(const FileIdentity& a, const FileIdentity& b) {
  return a.device == b.device && a.inode == b.inode &&
         (a.mode & S_IFMT) == (b.mode & S_IFMT);
}

// Nobody touched it, in any way that leaves a trace.
bool SameIdentity(const FileIdentity& a, const FileIdentity& b) {
  return SameFile(a, b) && a.mode == b.mode && a.size == b.size &&
         SameTime(a.mtime, b.mtime) && SameTime(a.ctime, b.ctime);
}

// The content is the same; a chmod or a new hard link moves ctime alone.
bool SameContent(const FileIdentity& a, const FileIdentity& b) {
  return SameFile(a, b) && a.size == b.size && SameTime(a.mtime, b.mtime);
}

int64_t ToNs(const timespec& time) {
  return time.tv_sec * int64_t{1'000'000'000} + time.tv_nsec;
}

PreState TypeOf(mode_t mode) {
  switch (mode & S_IFMT) {
    case S_IFREG:
      return PreState::kFile;
    case S_IFDIR:
      return PreState::kDirectory;
    case S_IFLNK:
      return PreState::kSymlink;
    default:
      return PreState::kOther;
  }
}

bool CanBeRestored(mode_t mode) { return TypeOf(mode) != PreState::kOther; }

std::optional<FileIdentity> Look(const std::string& path) {
  struct stat status;
  if (::lstat(path.c_str(), &status) != 0) {
    return std::nullopt;
  }
  return FileIdentity::Of(status);
}

}  // namespace

FileIdentity FileIdentity::Of(const struct stat& status) {
  return {status.st_dev,  status.st_ino,
          status.st_mode, static_cast<uint64_t>(status.st_size),
          status.st_mtim, status.st_ctim};
}

struct AccessLog::PathState {
  uint32_t observed = 0;
  bool missing = false;  // an observation found nothing
  bool found = false;    // an observation found something
  bool in_root = false;
  bool mutated = false;
  bool content_mutated = false;  // more than its mode and times
  bool self_mutated = false;     // not by nested actions alone
  bool creation_tried = false;
  // What was there before was seen to be gone; inode numbers are used again, so
  // the identity at the end does not tell.
  bool replaced = false;
  PreState pre = PreState::kUnknown;
  bool digest_tried = false;
  std::optional<base::Digest> digest;
  FileIdentity before;      // at the first change
  FileIdentity first_seen;  // at the first observation that found it
  bool is_output = false;
  bool is_deletion = false;
  // Epoch of the first change, if nothing stood there before.
  uint32_t made_epoch = 0;
  // Epoch of the last change that found the old thing still there. A record
  // that is not older is of what the action had made of it.
  uint32_t own_since = 0;
  // Epoch of the last change of something that was there.
  uint32_t changed_epoch = 0;
  bool by_notification = false;
  bool by_record = false;
  bool is_new = true;
  bool is_fresh = false;   // first seen when nothing was running any more
  bool is_flawed = false;  // it makes the set incomplete, and that is said
  int first_program = -1;

  bool existed() const { return mutated && pre != PreState::kMissing; }
};

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

bool AccessLog::IsBelowOwnDirectory(const std::string& path) const {
  if (made_directories_.empty()) {
    return false;
  }
  for (absl::string_view up = base::Dirname(path); up.size() > 1;
       up = base::Dirname(up)) {
    if (made_directories_.contains(up)) {
      return true;
    }
  }
  return false;
}

// A directory it made and then removed or renamed.
bool AccessLog::IsBelowLostDirectory(const std::string& path) const {
  for (absl::string_view up = base::Dirname(path); up.size() > 1;
       up = base::Dirname(up)) {
    if (made_directories_.contains(up) && !Look(std::string(up))) {
      return true;
    }
  }
  return false;
}

bool AccessLog::IsOwnProduct(const std::string& path) const {
  const auto it = states_.find(path);
  return (it != states_.end() && it->second.mutated &&
          it->second.pre == PreState::kMissing) ||
         IsBelowOwnDirectory(path);
}

void AccessLog::Observe(const Resolved& at, uint32_t observed) {
  for (const std::string& link : at.links) {
    ObservePath(link, kLinkText, /*missing=*/false, nullptr);
  }
  switch (at.kind) {
    case Resolved::Kind::kNoFile:
    case Resolved::Kind::kTerminal:
      return;
    case Resolved::Kind::kFound:
      ObservePath(at.path, observed, /*missing=*/false, &at.status);
      return;
    case Resolved::Kind::kHidden:
      if (at.path.size() >= PATH_MAX) {
        AddFlaw(kTrackingIncomplete, "a file is too deep to have a name");
      }
      ObserveHidden(at.path);
      return;
    case Resolved::Kind::kMissing:
      break;
  }
  if (!at.first_missing.empty()) {
    ObservePath(at.first_missing, at.blocked_by_file ? kMetadata : kExistence,
                /*missing=*/!at.blocked_by_file, nullptr);
  }
  const std::string path = base::NormalizePath(at.path);
  if (absl::StrContains(at.path, "/../") || absl::EndsWith(at.path, "/..")) {
    return;  // there is no such path; that the component is missing says it all
  }
  ObservePath(path, observed, /*missing=*/true, nullptr);
}

void AccessLog::ObservePath(const std::string& path, uint32_t observed,
                            bool missing, const struct stat* status) {
  if (IsOwnDirectory(path)) {
    return;
  }
  if (IsOwnProduct(path)) {
    // That something is *not* in a directory it made may be different when the
    // directory is there already.
    const auto it = states_.find(path);
    if (!missing) {
      return;
    }
    if (it != states_.end() && it->second.mutated) {
      PathState& made = it->second;
      if (made.pre == PreState::kMissing && source_.epoch < made.made_epoch) {
        Observed(observed, missing, &made);  // it looked, then made it
      }
      return;
    }
  }
  PathState* state = Find(path);
  if (state->content_mutated && source_.epoch < state->own_since) {
    ObserveRaced(path, observed, missing, state);
    return;
  }
  if (state->content_mutated) {
    // It was there before the first change. Is it still the same? If so the
    // change has not happened yet (another thread is about to make it) or never
    // will; doubt makes it an input.
    const std::optional<FileIdentity> now = Look(path);
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
  for (const std::string& link : at.links) {
    ObservePath(link, kLinkText, /*missing=*/false, nullptr);
  }
  const std::string& gone =
      at.first_missing.empty() ? at.path : at.first_missing;
  if (IsOwnDirectory(gone) || IsOwnProduct(gone)) {
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
  for (const std::string& link : at.links) {
    ObservePath(link, kLinkText, /*missing=*/false, nullptr);
  }
  const bool is_own_doing =
      IsChanged(at.path) ||
      std::any_of(at.links.begin(), at.links.end(),
                  [this](const std::string& link) { return IsChanged(link); });
  if (!is_own_doing) {
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
  const std::optional<FileIdentity> now = Look(path);
  if (!now || !SameContent(*now, state->before)) {
    return;
  }
  state->digest_tried = true;
  state->digest = digest_(path);
}

void AccessLog::Mutate(const Resolved& at, Change change, bool by_nested) {
  if (at.kind == Resolved::Kind::kNoFile ||
      at.kind == Resolved::Kind::kTerminal || IsOwnDirectory(at.path)) {
    return;
  }
  if (enclosing_) {
    enclosing_({&at, change});
  }
  // The links and directories on the way were looked at, whatever comes of it.
  const bool will_fail =
      at.kind == Resolved::Kind::kHidden || !at.first_missing.empty() ||
      ((change == Change::kCreate || change == Change::kCreateDirectory) &&
       at.found());
  if (will_fail) {
    if (!by_nested) {
      Observe(at, kExistence);
    }
    return;
  }
  for (size_t i = 0; i < at.links.size() && !by_nested; ++i) {
    ObservePath(at.links[i], kLinkText, /*missing=*/false, nullptr);
  }
  PathState* state = Find(at.path);
  NoteSource(state);
  state->self_mutated |= !by_nested;
  const bool is_first = !state->mutated;
  if (at.found()) {
    state->changed_epoch = epoch_;
    if (S_ISLNK(at.status.st_mode) || S_ISDIR(at.status.st_mode)) {
      names_epoch_ = epoch_;
    }
  }
  if (is_first) {
    state->mutated = true;
    state->pre = PreState::kMissing;
    state->made_epoch = epoch_;
    mutated_.insert(at.path);
    // Below a directory that it made nothing stood. What it looked for there is
    // an input: the directory may be there the next time.
    if (!IsBelowOwnDirectory(at.path) && at.found()) {
      state->pre = TypeOf(at.status.st_mode);
      state->before = FileIdentity::Of(at.status);
    }
  }
  if (change == Change::kCreateDirectory &&
      state->pre != PreState::kDirectory) {
    made_directories_.insert(at.path);
  }
  state->replaced |= state->existed() && !at.found();
  const bool old_is_there =
      state->existed() && at.found() && !state->replaced &&
      (state->content_mutated
           ? SameIdentity(FileIdentity::Of(at.status), state->before)
           : SameContent(FileIdentity::Of(at.status), state->before));
  if (old_is_there) {
    state->own_since = epoch_;
    NoteOldContent(at.path, change, by_nested, state);
  }
  state->content_mutated |= change != Change::kMode;
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

void AccessLog::MoveDirectory(const Resolved& from, const Resolved& to,
                              bool exchange, bool by_nested) {
  if (enclosing_) {
    enclosing_({&from, Change::kMoveAway, &to, exchange});
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
  made_directories_.insert(to.path);
  const std::string prefix = absl::StrCat(from.path, "/");
  std::vector<std::string> names;
  for (auto it = mutated_.lower_bound(prefix);
       it != mutated_.end() && base::IsWithin(*it, from.path); ++it) {
    names.push_back(it->substr(from.path.size()));
  }
  for (const std::string& name : names) {
    const std::string path = absl::StrCat(to.path, name);
    if (made_directories_.contains(absl::StrCat(from.path, name))) {
      made_directories_.insert(path);
    }
    PathState* state = Find(path);
    state->self_mutated |= !by_nested;
    if (state->mutated) {
      continue;
    }
    state->mutated = state->content_mutated = state->creation_tried = true;
    state->made_epoch = state->own_since = epoch_;
    mutated_.insert(path);
    NoteSource(state);
    // If something stands there now, the rename will fail, or exchange them.
    const std::optional<FileIdentity> now = Look(path);
    state->pre = now && !exchange ? TypeOf(now->mode) : PreState::kMissing;
    state->before = now.value_or(FileIdentity());
  }
}

void AccessLog::AddFlaw(int reason, std::string text, std::string path) {
  for (const Flaw& flaw : flaws_) {
    if (flaw.reason == reason && flaw.path == path && flaw.text == text) {
      return;
    }
  }
  flaws_.push_back({reason, std::move(text), std::move(path)});
}

void AccessLog::FinishMoves() {
  for (const Move& move : moves_) {
    const std::optional<FileIdentity> now = Look(move.from);
    if (now && now->device == move.device && now->inode == move.inode) {
      continue;  // the rename failed
    }
    AddFlaw(kTrackingIncomplete, "a directory from before the task was renamed",
            move.from);
  }
}

void AccessLog::FinishMutation(const std::string& path, PathState* state) {
  const std::optional<FileIdentity> now = Look(path);
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
              "what was removed is too large or unreadable to be remembered",
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
  if (state->in_root && digest_ && state->pre == PreState::kFile &&
      (state->observed & kContent) != 0 && !state->digest &&
      !state->is_deletion && !state->is_flawed) {
    AddFlaw(kDeviceOrLimit,
            "what was read and then overwritten is too large or unreadable to "
            "be remembered",
            path);
  }
}

void AccessLog::FinishObservation(const std::string& path, PathState* state) {
  if (!state->in_root || state->observed == 0 || state->is_fresh) {
    return;
  }
  const std::optional<FileIdentity> now = Look(path);
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
    } else if (now) {
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
void AccessLog::CheckDirectories(int64_t start_ns) {
  absl::flat_hash_set<std::string> checked;
  for (const auto& [path, state] : states_) {
    if (!state.by_record || !state.in_root || state.observed == 0) {
      continue;
    }
    for (absl::string_view up = base::Dirname(path);
         base::IsWithin(up, root_) && up.size() > root_.size();
         up = base::Dirname(up)) {
      const std::string directory(up);
      if (!checked.insert(directory).second) {
        break;
      }
      struct stat status;
      if (IsChanged(directory) || ::lstat(directory.c_str(), &status) != 0) {
        continue;
      }
      if (ToNs(status.st_ctim) >= start_ns && ToNs(status.st_mtim) < start_ns) {
        AddFlaw(kInputChanged, "a directory was moved while the task ran",
                directory);
      }
    }
  }
}

void AccessLog::Finish(int64_t start_ns, AccessSet* set) {
  FinishMoves();
  if (start_ns != 0) {
    CheckDirectories(start_ns);
  }
  for (auto& [path, state] : states_) {
    if (state.mutated) {
      FinishMutation(path, &state);
    } else {
      FinishObservation(path, &state);
    }
    Access access;
    access.path = path;
    access.observed = state.observed;
    access.missing = state.missing && !state.found;
    access.by_notification = state.by_notification;
    access.by_record = state.by_record;
    access.first_program = state.first_program;
    access.mutated = state.mutated;
    if (state.mutated) {
      access.pre_state = state.pre;
      access.pre_digest = state.digest;
      access.pre_size = state.before.size;
      access.pre_mode = state.before.mode;
      access.is_output = state.is_output;
      access.is_deletion = state.is_deletion;
      access.by_nested = !state.self_mutated;
    }
    if (access.observed != 0 || access.mutated) {
      set->accesses.push_back(std::move(access));
    }
  }
  std::sort(set->accesses.begin(), set->accesses.end(),
            [](const Access& a, const Access& b) { return a.path < b.path; });
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
