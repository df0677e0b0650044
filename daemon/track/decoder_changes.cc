// SPDX-License-Identifier: Apache-2.0
//
// The calls that open files, and those that change what names stand for.

#include <fcntl.h>
#include <linux/openat2.h>

#include "daemon/base/path.h"
#include "daemon/track/call_arguments.h"
#include "daemon/track/decoder.h"
#include "daemon/track/default_acl.h"
#include "daemon/track/syscall_numbers.h"

namespace vt::track {
namespace {

constexpr uint64_t kTmpfile = O_TMPFILE & ~uint64_t{O_DIRECTORY};
constexpr uint64_t kRenameNoReplace = 1;  // RENAME_NOREPLACE
constexpr uint64_t kRenameExchange = 2;   // RENAME_EXCHANGE

bool IsLink(const Resolved& at) {
  return at.found() && S_ISLNK(at.status.st_mode);
}

bool IsDirectory(const Resolved& at) {
  return at.found() && S_ISDIR(at.status.st_mode);
}

// EINVAL of rename(2), where it does not fail before: on its way there.
bool GoesIntoItself(const Resolved& directory, const Resolved& target) {
  return IsDirectory(directory) && directory.path != target.path &&
         target.first_missing.empty() &&
         base::IsWithin(target.path, directory.path);
}

}  // namespace

void Decoder::Open(const Task& task, const Name& name, uint64_t flags,
                   uint64_t mode) {
  if ((flags & O_PATH) != 0) {
    Observe(task, name, name.follow ? kMetadata : kLinkMetadata);
    return;
  }
  if ((flags & kTmpfile) != 0) {
    // A file without a name; a later linkat may give it one.
    Observe(task, name, kExistence);
    return;
  }
  const bool may_change =
      (flags & (O_CREAT | O_TRUNC)) != 0 || (flags & O_ACCMODE) != O_RDONLY;
  if (!may_change) {
    // With O_DIRECTORY a file is refused, not read.
    Observe(task, name, (flags & O_DIRECTORY) != 0 ? kListing : kContent);
    return;
  }
  Resolved at;
  if (Find(task, name, &at)) {
    OpenForWriting(task, at, flags, mode);
  }
}

void Decoder::OpenForWriting(const Task& task, const Resolved& at,
                             uint64_t flags, uint64_t mode) {
  const bool creates = (flags & O_CREAT) != 0;
  const bool exclusive = creates && (flags & O_EXCL) != 0;
  if (at.found() ? !exclusive : creates) {  // else it will fail
    if ((flags & O_ACCMODE) != O_RDONLY) {
      foreign_.ExpectWrite(at.path);
    } else if ((flags & O_TRUNC) != 0) {
      foreign_.ExpectTruncation(at.path);
    }
  }
  if (at.kind == Resolved::Kind::kTerminal) {
    set_.opened_terminal = true;
  } else if (!at.found()) {
    if (!creates) {
      ObserveResolved(at, kContent);
      return;
    }
    if (exclusive) {
      ProbeNew(at);
    } else if ((flags & O_TRUNC) == 0) {
      // What stood there would have been kept: that nothing did matters.
      ObserveResolved(at, kContent);
    }
    Mutate(task, at, Change::kCreate);
  } else if (exclusive) {
    ObserveResolved(at, kExistence);
  } else if (!S_ISREG(at.status.st_mode)) {
    ObserveResolved(at, IsLink(at) ? kLinkMetadata : kMetadata);
  } else if ((flags & O_TRUNC) != 0) {
    Mutate(
        task, at, Change::kReplace, /*makes_link=*/false,
        creates ? ModeOfNew(task, at, Change::kReplace, mode) : std::nullopt);
  } else if ((flags & O_ACCMODE) != O_RDONLY) {
    Mutate(task, at, Change::kWrite);
  } else {
    ObserveResolved(at, kContent);
  }
}

// The permissions of what a call with the argument `mode` makes where nothing
// stands; nullopt also if nobody needs to know.
std::optional<mode_t> Decoder::ModeOfNew(const Task& task, const Resolved& at,
                                         enum Change change, uint64_t mode) {
  const mode_t asked = static_cast<mode_t>(mode) & 07777;
  std::optional<mode_t> allowed;
  if (!log_.NeedsMode(at.path, change) ||
      !DefaultPermissions(std::string(base::Dirname(at.path)), &allowed)) {
    return std::nullopt;
  }
  if (allowed.has_value()) {
    return asked & (*allowed | 07000);
  }
  const std::optional<mode_t> umask = task.Umask();
  if (!umask.has_value()) {
    return std::nullopt;
  }
  return asked & ~*umask;
}

void Decoder::OpenHow(const Task& task, const uint64_t* args) {
  open_how how = {};
  const Task::Read result = task.ReadBytes(args[2], &how, sizeof how);
  if (result == Task::Read::kRefused) {
    Unreadable(task);
  }
  if (result != Task::Read::kOk) {
    return;
  }
  const bool follow = (how.flags & O_NOFOLLOW) == 0 &&
                      (how.flags & (O_CREAT | O_EXCL)) != (O_CREAT | O_EXCL);
  Open(task,
       {Descriptor(args[0]), args[1], follow, false,
        (how.resolve & RESOLVE_IN_ROOT) != 0},
       how.flags, how.mode);
}

bool Decoder::HandleOpen(const Task& task, int number, const uint64_t* args) {
  Name name = {AT_FDCWD, args[0]};
  uint64_t flags = args[1];
  uint64_t mode = args[2];
  switch (number) {
    case __NR_openat:
      name = {Descriptor(args[0]), args[1]};
      flags = args[2];
      mode = args[3];
      break;
#ifdef __NR_open
    case __NR_open:
      break;
    case __NR_creat:
      flags = O_CREAT | O_WRONLY | O_TRUNC;
      mode = args[1];
      break;
#endif
    case __NR_openat2:
      OpenHow(task, args);
      return true;
    default:
      return false;
  }
  name.follow = (flags & O_NOFOLLOW) == 0 &&
                (flags & (O_CREAT | O_EXCL)) != (O_CREAT | O_EXCL);
  Open(task, name, flags, mode);
  return true;
}

void Decoder::BeforeChange(pid_t tid, const Resolved& at, enum Change change,
                           bool makes_link) {
  const Disturbance disturbance = log_.DisturbanceOf(at, change);
  if (disturbance != Disturbance::kNone) {
    TakeRecords(/*is_last=*/false);
  }
  const bool is_of_names = disturbance == Disturbance::kNames;
  if (at.kind == Resolved::Kind::kMissing && at.first_missing.empty()) {
    if (makes_link || change == Change::kCreateDirectory) {
      in_flight_.AddCreation(tid, at.path, makes_link);
    }
  } else if (disturbance != Disturbance::kNone && at.found() &&
             // Opening for writing changes nothing yet; of a new mode no name
             // is aware.
             change != Change::kWrite && change != Change::kMode) {
    in_flight_.AddChange(tid, at.path, at.status, is_of_names);
  }
  if (arena_ != nullptr && !in_flight_.is_empty()) {
    arena_->SetFlags(kFlagHold);
  }
  const uint32_t epoch = log_.RaiseEpoch();
  if (arena_ != nullptr) {
    arena_->SetEpoch(epoch);
  }
}

void Decoder::Mutate(const Task& task, const Resolved& at, enum Change change,
                     bool makes_link, std::optional<mode_t> mode) {
  BeforeChange(task.tid(), at, change, makes_link);
  if (at.found() ||
      (at.kind == Resolved::Kind::kMissing && at.first_missing.empty())) {
    foreign_.Watch(at.path);
  }
  log_.Mutate(at, change, mode);
}

void Decoder::MakeLink(const Task& task, const Name& name) {
  Change(task, name, Change::kCreate, /*makes_link=*/true);
  NamesChanged();
}

// Calls that fail on what is there tell that nothing was.
void Decoder::ProbeNew(const Resolved& at) {
  if (!at.found()) {
    ObserveResolved(at, kExistence);
  }
}

void Decoder::Change(const Task& task, const Name& name, enum Change change,
                     bool makes_link, std::optional<mode_t> mode) {
  Resolved at;
  if (Find(task, name, &at)) {
    if (change == Change::kCreate) {
      ProbeNew(at);
    } else if (change == Change::kMode && at.found()) {
      foreign_.ExpectAttributes(at.path);
    }
    Mutate(task, at, change, makes_link, mode);
  }
}

void Decoder::MakeDirectory(const Task& task, const Name& name, uint64_t mode) {
  Resolved at;
  if (Find(task, name, &at)) {
    if (!at.found()) {
      foreign_.ExpectDirectory(at.path);
    }
    ProbeNew(at);
    Mutate(task, at, Change::kCreateDirectory, /*makes_link=*/false,
           at.found() ? ModeOfNew(task, at, Change::kCreateDirectory, mode)
                      : std::nullopt);
  }
}

void Decoder::ChangeDescriptor(const Task& task, int fd,
                               std::optional<mode_t> mode) {
  Change(task, {fd, 0, false, true}, Change::kMode, /*makes_link=*/false, mode);
}

void Decoder::Remove(const Task& task, const Name& name) {
  Resolved at;
  if (!Find(task, name, &at)) {
    return;
  }
  if (at.found()) {
    foreign_.ExpectRemoval(at.path);
  }
  Mutate(task, at, Change::kRemove);
  if (IsLink(at) || IsDirectory(at)) {
    NamesChanged();
  }
}

void Decoder::Truncate(const Task& task, const Name& name, uint64_t size) {
  Resolved at;
  if (Find(task, name, &at)) {
    foreign_.ExpectTruncation(at.path);
    Mutate(task, at, size == 0 ? Change::kReplace : Change::kWrite);
  }
}

void Decoder::Rename(const Task& task, const Name& from, const Name& to,
                     uint64_t flags) {
  Resolved source;
  Resolved target;
  if (!Find(task, from, &source) || !Find(task, to, &target)) {
    return;
  }
  const bool exchange = (flags & kRenameExchange) != 0;
  if ((flags & kRenameNoReplace) != 0 || IsDirectory(source)) {
    ProbeNew(target);  // a directory does not replace what is there
  }
  if (!source.found() || (exchange && !target.found()) ||
      GoesIntoItself(source, target) ||
      (exchange && GoesIntoItself(target, source))) {
    log_.Observe(source, kExistence);
    log_.Observe(target, kExistence);
    return;  // it will fail
  }
  if (exchange && (IsDirectory(source) || IsDirectory(target))) {
    foreign_.Exempt(source.path);
    foreign_.Exempt(target.path);
  } else if (IsDirectory(source)) {
    foreign_.ExpectMove(source.path, target.path);
  } else {
    foreign_.ExpectRename(source.path, target.path);
    if (exchange) {
      foreign_.ExpectRename(target.path, source.path);
    }
  }
  Mutate(task, source, Change::kMoveAway);
  if (exchange) {
    Mutate(task, target, Change::kMoveAway);
    log_.MoveDirectory(target, source, /*exchange=*/true);
  } else {
    Mutate(task, target, target.found() ? Change::kOverwrite : Change::kCreate);
  }
  log_.MoveDirectory(source, target, exchange);
  if (IsLink(source) || IsDirectory(source) || IsLink(target) ||
      IsDirectory(target)) {
    NamesChanged();
  }
}

void Decoder::Link(const Task& task, const Name& from, const Name& to) {
  Resolved source;
  const bool is_found = Find(task, from, &source);
  if (is_found) {
    // The new name has the content of the old one.
    ObserveResolved(source, IsLink(source) ? kLinkText : kContent);
    Resolved target;
    if (Find(task, to, &target)) {
      foreign_.ExpectLink(source.path, target.path);
    }
  }
  if (is_found && IsLink(source)) {
    MakeLink(task, to);
  } else {
    Change(task, to, Change::kCreate);
  }
}

bool Decoder::HandleNameChange(const Task& task, int number,
                               const uint64_t* args) {
  const int at = Descriptor(args[0]);
  const int second_at = Descriptor(args[2]);
  switch (number) {
#ifdef __NR_rename
    case __NR_rename:
      Rename(task, {AT_FDCWD, args[0], false}, {AT_FDCWD, args[1], false}, 0);
      return true;
    case __NR_link:
      Link(task, {AT_FDCWD, args[0], false}, {AT_FDCWD, args[1], false});
      return true;
    case __NR_symlink:
      MakeLink(task, {AT_FDCWD, args[1], false});
      return true;
    case __NR_unlink:
    case __NR_rmdir:
      Remove(task, {AT_FDCWD, args[0], false});
      return true;
    case __NR_mkdir:
      MakeDirectory(task, {AT_FDCWD, args[0], false}, args[1]);
      return true;
    case __NR_mknod:
      Change(task, {AT_FDCWD, args[0], false}, Change::kCreate);
      return true;
#endif
#ifdef __NR_renameat
    case __NR_renameat:
      Rename(task, {at, args[1], false}, {second_at, args[3], false}, 0);
      return true;
#endif
    case __NR_renameat2:
      Rename(task, {at, args[1], false}, {second_at, args[3], false}, args[4]);
      return true;
    case __NR_linkat:
      Link(task,
           {at, args[1], (args[4] & AT_SYMLINK_FOLLOW) != 0,
            (args[4] & kEmptyPath) != 0},
           {second_at, args[3], false});
      return true;
    case __NR_symlinkat:
      MakeLink(task, {Descriptor(args[1]), args[2], false});
      return true;
    case __NR_unlinkat:
      Remove(task, {at, args[1], false});
      return true;
    case __NR_mkdirat:
      MakeDirectory(task, {at, args[1], false}, args[2]);
      return true;
    case __NR_mknodat:
      Change(task, {at, args[1], false}, Change::kCreate);
      return true;
    case __NR_truncate:
      Truncate(task, {AT_FDCWD, args[0]}, args[1]);
      return true;
    default:
      return false;
  }
}

bool Decoder::HandleModeChange(const Task& task, int number,
                               const uint64_t* args) {
  const int at = Descriptor(args[0]);
  Name name = {AT_FDCWD, args[0]};
  uint64_t flags = 0;
  std::optional<mode_t> mode;
  const auto permissions = [](uint64_t argument) {
    return static_cast<mode_t>(argument) & 07777;
  };
  switch (number) {
    case __NR_fchmod:
      ChangeDescriptor(task, at, permissions(args[1]));
      return true;
    case __NR_fchown:
    case __NR_fsetxattr:
    case __NR_fremovexattr:
      ChangeDescriptor(task, at, std::nullopt);
      return true;
#ifdef __NR_chmod
    case __NR_chmod:
      mode = permissions(args[1]);
      break;
#endif
    case __NR_setxattr:
    case __NR_removexattr:
#ifdef __NR_chmod
    case __NR_chown:
    case __NR_utime:
    case __NR_utimes:
#endif
      break;
    case __NR_lsetxattr:
    case __NR_lremovexattr:
#ifdef __NR_lchown
    case __NR_lchown:
#endif
      name.follow = false;
      break;
    case __NR_utimensat:
      // Without a name: futimens().
      name = {at, args[1], true, args[1] == 0};
      flags = args[3];
      break;
#ifdef __NR_futimesat
    case __NR_futimesat:
      name = {at, args[1], true, args[1] == 0};
      break;
#endif
    case __NR_fchmodat:
      name = {at, args[1]};
      mode = permissions(args[2]);
      break;
    case __NR_fchmodat2:
      name = {at, args[1]};
      mode = permissions(args[2]);
      flags = args[3];
      break;
    case __NR_fchownat:
    case __NR_file_setattr:
      name = {at, args[1]};
      flags = args[4];
      break;
    case __NR_setxattrat:
    case __NR_removexattrat:
      name = {at, args[1]};
      flags = args[2];
      break;
    default:
      return false;
  }
  name.follow = name.follow && (flags & kNoFollow) == 0;
  name.may_be_empty = name.may_be_empty || (flags & kEmptyPath) != 0;
  Change(task, name, Change::kMode, /*makes_link=*/false, mode);
  return true;
}

}  // namespace vt::track
