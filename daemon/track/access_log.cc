// SPDX-License-Identifier: Apache-2.0

#include "daemon/track/access_log.h"

#include <algorithm>
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

  bool existed() const { return mutated && pre != PreState::kMissing; }
};

AccessLog::AccessLog(std::string root, std::vector<std::string> own_directories,
                     DigestFunction digest)
    : root_(std::move(root)),
      own_directories_(std::move(own_directories)),
      digest_(std::move(digest)) {}

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
      ObservePath(at.path, kExistence, /*missing=*/true, nullptr);
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
    if (!missing || (it != states_.end() && it->second.mutated)) {
      return;
    }
  }
  PathState* state = Find(path);
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
  if (status != nullptr && !state->found) {
    state->first_seen = FileIdentity::Of(*status);
  }
  if (state->in_root && !state->mutated &&
      ((missing && state->found) || (!missing && state->missing))) {
    AddFlaw(kInputChanged,
            missing ? "a file vanished while the task ran"
                    : "a file appeared while the task ran",
            path);
  }
  state->observed |= observed;
  state->missing |= missing;
  state->found |= !missing;
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

void AccessLog::Mutate(const Resolved& at, Change change) {
  if (at.kind == Resolved::Kind::kNoFile ||
      at.kind == Resolved::Kind::kTerminal || IsOwnDirectory(at.path)) {
    return;
  }
  // The links and directories on the way were looked at, whatever comes of it.
  const bool will_fail =
      at.kind == Resolved::Kind::kHidden || !at.first_missing.empty() ||
      ((change == Change::kCreate || change == Change::kCreateDirectory) &&
       at.found());
  if (will_fail) {
    Observe(at, kExistence);
    return;
  }
  for (const std::string& link : at.links) {
    ObservePath(link, kLinkText, /*missing=*/false, nullptr);
  }
  PathState* state = Find(at.path);
  const bool is_first = !state->mutated;
  if (is_first) {
    state->mutated = true;
    state->pre = PreState::kMissing;
    mutated_.insert(at.path);
    if (IsBelowOwnDirectory(at.path)) {
      state->observed = 0;  // it looked for what it then made
      state->missing = state->found = false;
    } else if (at.found()) {
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
    NoteOldContent(at.path, change, state);
  }
  state->content_mutated |= change != Change::kMode;
  state->creation_tried |= change != Change::kRemove &&
                           change != Change::kMoveAway &&
                           change != Change::kMode;
}

void AccessLog::NoteOldContent(const std::string& path, Change change,
                               PathState* state) {
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
                              bool exchange) {
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
    if (state->mutated) {
      continue;
    }
    state->mutated = state->content_mutated = state->creation_tried = true;
    mutated_.insert(path);
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
      state->observed |= kExistence;
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
    state->observed |= kExistence;
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
      !state->is_deletion) {
    AddFlaw(kDeviceOrLimit,
            "what was read and then overwritten is too large or unreadable to "
            "be remembered",
            path);
  }
}

void AccessLog::FinishObservation(const std::string& path, PathState* state) {
  if (!state->in_root || state->observed == 0) {
    return;
  }
  const std::optional<FileIdentity> now = Look(path);
  if (state->missing && !state->found) {
    if (IsBelowOwnDirectory(path)) {
      if (now || IsBelowLostDirectory(path)) {
        state->observed = 0;  // it made it, or removed the directory
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

void AccessLog::Finish(AccessSet* set) {
  FinishMoves();
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
    access.mutated = state.mutated;
    if (state.mutated) {
      access.pre_state = state.pre;
      access.pre_digest = state.digest;
      access.pre_size = state.before.size;
      access.pre_mode = state.before.mode;
      access.is_output = state.is_output;
      access.is_deletion = state.is_deletion;
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
