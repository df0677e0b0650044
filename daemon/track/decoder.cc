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

#include "daemon/base/path.h"
#include "daemon/track/filter.h"
#include "daemon/track/not_stored.h"
#include "daemon/track/syscall_numbers.h"
#include "daemon/track/syscall_rules.h"

namespace vt::track {
namespace {

// In `seen_`, beside Observed: the name was followed to the end.
constexpr uint32_t kFollowedShift = 16;

constexpr uint64_t kNoFollow = AT_SYMLINK_NOFOLLOW;
constexpr uint64_t kEmptyPath = 0x1000;  // AT_EMPTY_PATH, of _GNU_SOURCE

int Descriptor(uint64_t argument) {
  return static_cast<int>(static_cast<uint32_t>(argument));
}

}  // namespace

Decoder::Decoder(const TrackerOptions& options)
    : allowed_services_(options.allowed_services),
      own_services_(options.own_services),
      resolver_(options.workspace_root),
      log_(options.workspace_root, options.own_directories, options.digest) {}

bool Decoder::IsOwnService(const std::string& path) const {
  return std::any_of(
      own_services_.begin(), own_services_.end(),
      [&path](const std::string& own) { return base::IsWithin(path, own); });
}

void Decoder::AddFlaw(int reason, const std::string& text) {
  log_.AddFlaw(reason, text);
}

void Decoder::NamesChanged() {
  resolver_.Forget();
  seen_.clear();
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
  const bool has_base = name.directory == AT_FDCWD
                            ? task.WorkingDirectory(&text_)
                            : task.DescriptorPath(name.directory, &text_);
  if (!has_base) {
    if (errno == EACCES || errno == EPERM) {
      Unreadable(task);
    }
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

void Decoder::Observe(const Task& task, const Name& name, uint32_t observed) {
  if (!ReadName(task, name)) {
    return;
  }
  // What /proc and /dev mean depends on who asks.
  const bool is_special =
      absl::StartsWith(name_, "/proc") || absl::StartsWith(name_, "/dev");
  if (!is_special) {
    const uint32_t key = observed << (name.follow ? kFollowedShift : 0);
    uint32_t& seen = seen_[name_];
    if ((seen & key) == key) {
      return;
    }
    seen |= key;
  }
  resolver_.Resolve(name_, name.follow, task, &resolved_);
  ObserveResolved(resolved_, observed);
}

void Decoder::ObserveResolved(const Resolved& at, uint32_t observed) {
  if (at.kind == Resolved::Kind::kTerminal && (observed & kContent) != 0) {
    set_.opened_terminal = true;
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
    if ((observed & kListing) != 0 && type != S_IFDIR) {
      observed = (observed & ~uint32_t{kListing}) | kMetadata;
    }
    if ((observed & kLinkText) != 0 && type != S_IFLNK) {
      observed = (observed & ~uint32_t{kLinkText}) | kLinkMetadata;
    }
  }
  log_.Observe(at, observed);
}

void Decoder::Handle(const seccomp_notif& request) {
  const int number = request.data.nr;
  const Task task(static_cast<pid_t>(request.pid));
  const bool counted = number >= 0 && number < static_cast<int>(counts_.size());
  ++counts_[counted ? static_cast<size_t>(number) : 0];
  if (request.data.arch != kNativeArch || (number & 0x40000000) != 0) {
    std::string program;
    task.ReadLink("exe", &program);
    log_.AddFlaw(kForeignAbi,
                 absl::StrCat("`", program, "` uses a foreign system call ABI"),
                 program);
    return;
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
    return;
  }
  const char* name = SyscallName(number);
  log_.AddFlaw(kUnknownSystemCall,
               name == nullptr
                   ? absl::StrCat("system call ", number, " is not known")
                   : absl::StrCat("system call ", name, " cannot be tracked"));
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
    case __NR_statfs:
      Observe(task, {AT_FDCWD, args[0]}, kExistence);
      return true;
    case __NR_fchdir:
      return true;  // the directory was noted when it was opened
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
  set_.distinct_raw_paths = seen_.size();
  for (size_t number = 0; number < counts_.size(); ++number) {
    if (counts_[number] != 0) {
      set_.notifications[static_cast<int>(number)] = counts_[number];
    }
  }
  log_.Finish(&set_);
  return std::move(set_);
}

}  // namespace vt::track
