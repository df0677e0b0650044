// SPDX-License-Identifier: Apache-2.0
//
// Dispatch, names, and the calls that only look.

#include "daemon/track/decoder.h"

#include <fcntl.h>
#include <sys/inotify.h>

#include <algorithm>
#include <cerrno>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "absl/time/clock.h"

#include "daemon/base/path.h"
#include "daemon/track/call_arguments.h"
#include "daemon/track/filter.h"
#include "daemon/track/not_stored.h"
#include "daemon/track/preload/arena_layout.h"
#include "daemon/track/preload_env.h"
#include "daemon/track/syscall_numbers.h"
#include "daemon/track/syscall_rules.h"

namespace vt::track {
namespace {

// Bits of Observed that names are asked for with; kExecuted is not remembered.
constexpr uint32_t kObservedBits = 8;

constexpr absl::string_view kDeleted = " (deleted)";

// The kernel lets go of the filter of a process that ends before it closes its
// files (since 6.11): one that nobody has waited for may be seen in between.
constexpr absl::Duration kClosing = absl::Milliseconds(100);

// In a directory that was removed only ".." names something: its parent.
// `directory` is what /proc says of it, "/x/y (deleted)".
bool LeaveDeletedDirectory(std::string* directory, std::string* name) {
  if (!absl::EndsWith(*directory, kDeleted) || directory->front() != '/') {
    return false;
  }
  directory->resize(directory->size() - kDeleted.size());
  absl::string_view rest = *name;
  struct stat ignored;
  do {
    while (absl::ConsumePrefix(&rest, "./") ||
           absl::ConsumePrefix(&rest, "/")) {
    }
    if (rest != ".." && !absl::StartsWith(rest, "../")) {
      return false;
    }
    rest.remove_prefix(2);
    directory->resize(base::Dirname(*directory).size());
  } while (::lstat(directory->c_str(), &ignored) != 0);
  name->erase(0, name->size() - rest.size());
  name->insert(0, 1, '.');
  return true;
}

// Every process opens the library; that says nothing of the action.
std::vector<std::string> OwnDirectories(const TrackerOptions& options) {
  std::vector<std::string> own = options.own_directories;
  if (!options.preload.empty()) {
    own.push_back(PreloadDirectory(options.preload));
  }
  return own;
}

}  // namespace

Decoder::Decoder(const TrackerOptions& options)
    : allowed_services_(options.allowed_services),
      own_services_(options.own_services),
      daemon_socket_(options.daemon_socket),
      resolver_(options.workspace_root),
      log_(options.workspace_root, OwnDirectories(options), options.digest,
           options.enclosing, [this](pid_t tid) { return ProgramOf(tid); }),
      foreign_(options.workspace_root),
      may_attach_(!options.preload.empty() && options.tier.can_sign),
      signature_(options.signature),
      arena_chunks_(options.arena_chunks != 0 ? options.arena_chunks
                                              : kMaxChunks),
      file_clock_(options.file_clock),
      started_file_clock_ns_(file_clock_().now_ns) {
  set_.tier = options.tier.level;
}

bool Decoder::IsOwnService(const std::string& path) const {
  return std::any_of(
      own_services_.begin(), own_services_.end(),
      [&path](const std::string& own) { return base::IsWithin(path, own); });
}

void Decoder::AddFlaw(int reason, const std::string& text) {
  log_.AddFlaw(reason, text);
}

void Decoder::Handle(const NestedChange& change) {
  if (change.tid != 0 && !in_flight_.is_empty()) {
    Settle(change.tid);
  }
  source_ = {};
  log_.SetSource(source_);
  BeforeChange(change.tid, *change.at, change.change, /*makes_link=*/true);
  // What others do to it is seen by whoever tracks that action.
  foreign_.Exempt(change.at->path);
  if (change.moved_to != nullptr) {
    foreign_.Exempt(change.moved_to->path);
    log_.MoveDirectory(*change.at, *change.moved_to, change.exchange,
                       /*by_nested=*/true);
  } else {
    log_.Mutate(*change.at, change.change, change.mode, /*by_nested=*/true);
  }
  NamesChanged();
}

void Decoder::NamesChanged() {
  resolver_.Forget();
  seen_.clear();
  if (arena_ != nullptr) {
    arena_->RaiseGeneration();  // processes skip what they said before
    if (names_epochs_.empty() || names_epochs_.back() != log_.epoch()) {
      names_epochs_.push_back(log_.epoch());
    }
  }
}

void Decoder::Unreadable(const Task& task) {
  std::string program;
  task.ReadLink("exe", &program);
  log_.AddFlaw(kUnreadableMemory,
               absl::StrCat("the memory of `", program, "` is not readable"),
               program);
}

bool Decoder::ReadName(const Task& task, const Name& name) {
  name_.clear();
  if (name.address != 0) {
    switch (task.ReadString(name.address, &name_)) {
      case Task::Read::kOk:
        break;
      case Task::Read::kRefused:
        Unreadable(task);
        return false;
      case Task::Read::kFault:
      case Task::Read::kGone:
        return false;
    }
  }
  if (name_.empty() && !name.may_be_empty) {
    return false;  // ENOENT or EFAULT, whatever the disk holds
  }
  if (!name_.empty() && name_[0] == '/' && !name.in_root) {
    return true;
  }
  errno = 0;
  text_.clear();
  const bool has_base = name.directory == AT_FDCWD
                            ? task.WorkingDirectory(&text_)
                            : task.DescriptorPath(name.directory, &text_);
  if (!has_base && (errno == EACCES || errno == EPERM)) {
    Unreadable(task);
    return false;
  }
  if (!has_base && errno == ENAMETOOLONG) {
    log_.AddFlaw(kTrackingIncomplete, "a directory is too deep to have a name");
    return false;
  }
  if (!has_base && !LeaveDeletedDirectory(&text_, &name_)) {
    return false;
  }
  if (!name_.empty()) {
    absl::StrAppend(&text_, "/", name_);
  }
  name_.swap(text_);
  return true;
}

bool Decoder::Find(const Task& task, const Name& name, Resolved* out) {
  if (!ReadName(task, name)) {
    return false;
  }
  resolver_.Resolve(name_, name.follow, task, out);
  return out->kind != Resolved::Kind::kNoFile;
}

bool Decoder::WasSeen(uint32_t observed, bool follow, Outcome outcome) {
  // What /proc and /dev mean depends on who asks.
  if (absl::StartsWith(name_, "/proc") || absl::StartsWith(name_, "/dev")) {
    return false;
  }
  const uint32_t shift =
      kObservedBits * (2 * static_cast<uint32_t>(outcome) + (follow ? 1 : 0));
  const uint64_t key = uint64_t{observed} << shift;
  uint64_t& seen = seen_[name_];
  const bool was_seen = (seen & key) == key;
  seen |= key;
  return was_seen;
}

void Decoder::DoNotRemember() { seen_.erase(name_); }

void Decoder::Observe(const Task& task, const Name& name, uint32_t observed) {
  if (!ReadName(task, name) ||
      WasSeen(observed, name.follow, Outcome::kNotified)) {
    return;
  }
  resolver_.Resolve(name_, name.follow, task, &resolved_);
  if (resolved_.kind == Resolved::Kind::kMissing &&
      absl::StrContains(resolved_.path, "/..")) {
    DoNotRemember();  // when that component is made, it leads elsewhere
  }
  ObserveResolved(resolved_, observed);
}

void Decoder::ObserveResolved(const Resolved& at, uint32_t observed) {
  if (at.kind == Resolved::Kind::kTerminal && (observed & kContent) != 0) {
    set_.opened_terminal = true;
  }
  // Processes with the arena only say that they have opened it.
  if (at.kind == Resolved::Kind::kNoFile &&
      absl::EndsWith(at.path, "/environ")) {
    set_.read_environment = true;
  }
  if (at.found()) {
    const mode_t type = at.status.st_mode & S_IFMT;
    if ((observed & kContent) != 0 && type != S_IFREG) {
      // Whoever opens a directory may list it; getdents is not notified.
      observed &= ~uint32_t{kContent | kExecuted};
      observed |= type == S_IFDIR   ? kListing
                  : type == S_IFLNK ? kLinkMetadata
                                    : kMetadata;
    }
    // ENOTDIR and EINVAL say that something else is there, not how large it is.
    if ((observed & kListing) != 0 && type != S_IFDIR) {
      observed = (observed & ~uint32_t{kListing}) | kExistence;
    }
    if ((observed & kLinkText) != 0 && type != S_IFLNK) {
      observed = (observed & ~uint32_t{kLinkText}) | kExistence;
    }
  }
  log_.Observe(at, observed);
}

bool Decoder::IsHello(const seccomp_data& call) {
  return call.nr == __NR_openat && call.arch == kNativeArch &&
         Descriptor(call.args[0]) == kHelloDirectory &&
         call.args[4] == kHelloWord;
}

Decoder::Answer Decoder::Handle(const seccomp_notif& request) {
  const int number = request.data.nr;
  const Task task(static_cast<pid_t>(request.pid));
  if (!in_flight_.is_empty()) {
    Settle(task.tid());
  }
  if (IsHello(request.data)) {
    return Attach(task, request.data.args[5]);
  }
  source_ = {Source::kNow, task.tid()};
  log_.SetSource(source_);
  const bool counted = number >= 0 && number < static_cast<int>(counts_.size());
  ++counts_[counted ? static_cast<size_t>(number) : 0];
  if (request.data.arch != kNativeArch || (number & 0x40000000) != 0) {
    std::string program;
    task.ReadLink("exe", &program);
    log_.AddFlaw(kForeignAbi,
                 absl::StrCat("`", program, "` uses a foreign system call ABI"),
                 program);
    return {};
  }
  uint64_t args[6];
  for (size_t i = 0; i < 6; ++i) {
    args[i] = request.data.args[i];
  }
  if (HandleOpen(task, number, args) || HandleRead(task, number, args) ||
      HandleExec(task, number, args) ||
      HandleAttributeRead(task, number, args) ||
      HandleNameChange(task, number, args) ||
      HandleModeChange(task, number, args) ||
      HandleSocket(task, number, args) || HandleWorld(task, number, args)) {
    return {};
  }
  const char* name = SyscallName(number);
  log_.AddFlaw(kUnknownSystemCall,
               name == nullptr
                   ? absl::StrCat("system call ", number, " is not known")
                   : absl::StrCat("system call ", name, " cannot be tracked"));
  return {};
}

void Decoder::Settle(pid_t tid) {
  if (in_flight_.Settle(tid)) {
    NamesChanged();
  }
  if (arena_ != nullptr && in_flight_.is_empty()) {
    arena_->ClearFlags(kFlagHold);
  }
}

void Decoder::WorkingDirectoryChanges(const Task& task) {
  if (arena_ == nullptr) {
    return;
  }
  if (task.HasSiblings()) {
    // Until this call is over, another thread would find the old directory.
    in_flight_.AddMove(task.tid());
    arena_->SetFlags(kFlagHold);
  }
  arena_->RaiseGeneration();
}

bool Decoder::HandleRead(const Task& task, int number, const uint64_t* args) {
  const int at = Descriptor(args[0]);
  switch (number) {
#ifdef __NR_stat
    case __NR_stat:
      Observe(task, {AT_FDCWD, args[0]}, kMetadata);
      return true;
    case __NR_lstat:
      Observe(task, {AT_FDCWD, args[0], false}, kLinkMetadata);
      return true;
    case __NR_access:
      Observe(task, {AT_FDCWD, args[0]}, kExistence);
      return true;
    case __NR_readlink:
      Observe(task, {AT_FDCWD, args[0], false}, kLinkText);
      return true;
#endif
    case __NR_newfstatat:
    case __NR_statx: {
      const uint64_t flags = number == __NR_statx ? args[2] : args[3];
      const bool follow = (flags & kNoFollow) == 0;
      Observe(task, {at, args[1], follow, (flags & kEmptyPath) != 0},
              follow ? kMetadata : kLinkMetadata);
      return true;
    }
    case __NR_readlinkat:
      // An empty name reads the link that the descriptor (O_PATH) stands for.
      Observe(task, {at, args[1], false, true}, kLinkText);
      return true;
    case __NR_faccessat:
      Observe(task, {at, args[1]}, kExistence);
      return true;
    case __NR_faccessat2: {
      const bool follow = (args[3] & kNoFollow) == 0;
      Observe(task, {at, args[1], follow, (args[3] & kEmptyPath) != 0},
              follow ? kExistence : kLinkMetadata);
      return true;
    }
    case __NR_chdir:
      Observe(task, {AT_FDCWD, args[0]}, kExistence);
      WorkingDirectoryChanges(task);
      return true;
    case __NR_statfs:
      Observe(task, {AT_FDCWD, args[0]}, kExistence);
      return true;
    case __NR_fchdir:
      // The directory was noted when it was opened.
      WorkingDirectoryChanges(task);
      return true;
    case __NR_inotify_add_watch: {
      const bool follow = (args[2] & IN_DONT_FOLLOW) == 0;
      Observe(task, {AT_FDCWD, args[1], follow}, kListing);
      return true;
    }
    case __NR_fanotify_mark:
      Observe(task, {Descriptor(args[3]), args[4]}, kListing);
      return true;
#ifdef __NR_uselib
    case __NR_uselib:
      Observe(task, {AT_FDCWD, args[0]}, kContent);
      return true;
#endif
    default:
      return false;
  }
}

bool Decoder::HandleAttributeRead(const Task& task, int number,
                                  const uint64_t* args) {
  const int at = Descriptor(args[0]);
  switch (number) {
    case __NR_getxattr:
    case __NR_listxattr:
      Observe(task, {AT_FDCWD, args[0]}, kMetadata);
      return true;
    case __NR_lgetxattr:
    case __NR_llistxattr:
      Observe(task, {AT_FDCWD, args[0], false}, kLinkMetadata);
      return true;
    case __NR_getxattrat:
    case __NR_listxattrat:
    case __NR_file_getattr: {
      const uint64_t flags = number == __NR_file_getattr ? args[4] : args[2];
      const bool follow = (flags & kNoFollow) == 0;
      Observe(task, {at, args[1], follow, (flags & kEmptyPath) != 0},
              follow ? kMetadata : kLinkMetadata);
      return true;
    }
    case __NR_name_to_handle_at: {
      const bool follow = (args[4] & AT_SYMLINK_FOLLOW) != 0;
      Observe(task, {at, args[1], follow, (args[4] & kEmptyPath) != 0},
              follow ? kMetadata : kLinkMetadata);
      return true;
    }
    default:
      return false;
  }
}

AccessSet Decoder::Finish() {
  const absl::Time start = absl::Now();
  FinishRecords();
  FinishSockets();
  set_.distinct_raw_paths = seen_.size();
  for (size_t number = 0; number < counts_.size(); ++number) {
    if (counts_[number] != 0) {
      set_.notifications[static_cast<int>(number)] = counts_[number];
    }
  }
  log_.Finish(started_file_clock_ns_, &set_);
  FinishForeign();
  set_.resolving = absl::Now() - start;
  return std::move(set_);
}

// Whoever changed an output has it open still, or is told of by inotify, or did
// it after the clock was read.
void Decoder::FinishForeign() {
  set_.ended_file_clock_ns = file_clock_().past_ns;
  const absl::Time deadline = absl::Now() + kClosing;
  for (Access& access : set_.accesses) {
    access.changed_by_others = access.mutated && access.is_output &&
                               foreign_.IsJudged(access.path) &&
                               StaysOpenForWriting(access.path, deadline);
  }
  if (!foreign_.Read()) {
    set_.flaws.push_back(
        {kTrackingIncomplete,
         "others have changed more beside the outputs than could be followed",
         ""});
  }
  for (Access& access : set_.accesses) {
    access.changed_by_others |=
        access.mutated && (access.is_output ? foreign_.IsChanged(access.path)
                                            : foreign_.IsRemoved(access.path));
  }
}

}  // namespace vt::track
