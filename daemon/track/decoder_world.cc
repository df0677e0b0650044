// SPDX-License-Identifier: Apache-2.0
//
// Programs, sockets, and the calls after which names mean something else.

#include <fcntl.h>
#include <sched.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <algorithm>
#include <cstddef>
#include <cstdio>
#include <cstring>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

#include "daemon/base/path.h"
#include "daemon/track/call_arguments.h"
#include "daemon/track/decoder.h"
#include "daemon/track/exec_image.h"
#include "daemon/track/not_stored.h"
#include "daemon/track/services.h"
#include "daemon/track/syscall_numbers.h"

namespace vt::track {
namespace {

constexpr uint64_t kOpenTreeClone = 1;  // OPEN_TREE_CLONE
// A script's interpreter may be a script: the kernel goes on for five.
constexpr int kMaxInterpreters = 5;

// What a user puts into `cache.services` for datagrams that nobody sees.
const char kDatagrams[] = "unix-datagram";

}  // namespace

bool Decoder::HandleExec(const Task& task, int number, const uint64_t* args) {
  switch (number) {
    case __NR_execve:
      Execute(task, {AT_FDCWD, args[0]});
      ProgramChanges();
      return true;
    case __NR_execveat:
      Execute(task, {Descriptor(args[0]), args[1], (args[4] & kNoFollow) == 0,
                     (args[4] & kEmptyPath) != 0});
      ProgramChanges();
      return true;
    default:
      return false;
  }
}

// A search of PATH shows as calls that will fail: each is an observation that
// nothing is there.
void Decoder::Execute(const Task& task, const Name& name) {
  Resolved at;
  if (!Find(task, name, &at)) {
    return;
  }
  for (int depth = 0; depth <= kMaxInterpreters; ++depth) {
    const bool is_program = at.found() && S_ISREG(at.status.st_mode);
    if (at.found() && !is_program) {
      log_.Observe(at, kMetadata);
      return;
    }
    log_.Observe(at, kExecuted | kContent);
    if (is_program && !at.links.empty()) {
      // name_ is what was resolved, here and at the end of the loop.
      set_.linked_programs.insert(base::NormalizePath(name_));
    }
    if (!is_program || !executed_.insert(at.path).second) {
      return;
    }
    const ExecImage image = ReadExecImage(at.path, at.status);
    if (image.is_privileged) {
      log_.AddFlaw(kPrivilegedProgram,
                   absl::StrCat("`", at.path, "` is a privileged program"),
                   at.path);
    }
    if (image.is_foreign) {
      log_.AddFlaw(
          kForeignAbi,
          absl::StrCat("`", at.path, "` is a program for another architecture"),
          at.path);
    }
    if (image.interpreter.empty()) {
      return;
    }
    if (image.interpreter[0] == '/') {
      name_ = image.interpreter;
    } else if (task.WorkingDirectory(&text_)) {
      name_ = absl::StrCat(text_, "/", image.interpreter);
    } else {
      return;
    }
    resolver_.Resolve(name_, /*follow=*/true, task, &at);
    if (!image.is_script) {
      log_.Observe(at, kExecuted | kContent);
      return;
    }
  }
}

bool Decoder::HandleSocket(const Task& task, int number, const uint64_t* args) {
  switch (number) {
    case __NR_listen: {
      const int process = task.ProcessId();
      if (std::find(set_.listeners.begin(), set_.listeners.end(), process) ==
          set_.listeners.end()) {
        set_.listeners.push_back(process);
      }
      return true;
    }
    case __NR_socket:  // notified for Unix datagrams only
      ++datagram_sockets_[task.ProcessId()];
      return true;
    case __NR_bind:
      Bind(task, args);
      return true;
    case __NR_connect:
      Connect(task, args[1], args[2]);
      return true;
    case __NR_sendto:
      Connect(task, args[4], args[5]);
      return true;
    default:
      return false;
  }
}

bool Decoder::ReadSocketName(const Task& task, uint64_t address, uint64_t size,
                             std::string* out) {
  sockaddr_un socket = {};
  // A longer one is EINVAL for this family, and another family's otherwise.
  const size_t length =
      std::min<size_t>(static_cast<uint32_t>(size), sizeof socket);
  if (length <= offsetof(sockaddr_un, sun_path)) {
    return false;
  }
  const Task::Read result = task.ReadBytes(address, &socket, length);
  if (result == Task::Read::kRefused) {
    Unreadable(task);
  }
  if (result != Task::Read::kOk || socket.sun_family != AF_UNIX) {
    return false;
  }
  const size_t name_size = length - offsetof(sockaddr_un, sun_path);
  if (socket.sun_path[0] == '\0') {
    *out = absl::StrCat("@",
                        absl::string_view(socket.sun_path + 1, name_size - 1));
  } else {
    out->assign(socket.sun_path, ::strnlen(socket.sun_path, name_size));
  }
  return true;
}

void Decoder::Bind(const Task& task, const uint64_t* args) {
  std::string name;
  if (!ReadSocketName(task, args[1], args[2], &name)) {
    return;
  }
  if (name[0] == '@') {
    bound_sockets_.insert(name);
    return;
  }
  if (name[0] != '/') {
    if (!task.WorkingDirectory(&text_)) {
      return;
    }
    name = absl::StrCat(text_, "/", name);
  }
  Resolved at;
  resolver_.Resolve(name, /*follow=*/false, task, &at);
  Mutate(task, at, Change::kCreate);
  if (at.kind == Resolved::Kind::kMissing) {
    bound_sockets_.insert(at.path);
  }
}

void Decoder::Connect(const Task& task, uint64_t address, uint64_t size) {
  std::string name;
  if (!ReadSocketName(task, address, size, &name)) {
    return;
  }
  if (!datagram_sockets_.empty()) {
    if (const auto made = datagram_sockets_.find(task.ProcessId());
        made != datagram_sockets_.end() && --made->second == 0) {
      datagram_sockets_.erase(made);
    }
  }
  if (name[0] != '@') {
    if (name[0] != '/') {
      if (!task.WorkingDirectory(&text_)) {
        return;
      }
      name = absl::StrCat(text_, "/", name);
    }
    Resolved at;
    resolver_.Resolve(name, /*follow=*/true, task, &at);
    if (!daemon_socket_.empty() && at.path == daemon_socket_) {
      set_.daemon_callers.insert(task.tid());
    }
    if (IsHarmlessService(name, allowed_services_) ||
        IsHarmlessService(at.path, allowed_services_) ||
        IsOwnService(at.path)) {
      return;
    }
    if (!at.found() || !S_ISSOCK(at.status.st_mode)) {
      log_.Observe(at, kExistence);
      return;
    }
    name = at.path;
    if (log_.IsOwnProduct(name)) {
      return;
    }
  } else if (IsHarmlessService(name, allowed_services_)) {
    return;
  }
  if (!bound_sockets_.contains(name)) {
    log_.AddFlaw(kUsedService, absl::StrCat("used the service `", name, "`"),
                 name);
  }
}

void Decoder::FinishSockets() {
  if (!datagram_sockets_.empty() &&
      !IsHarmlessService(kDatagrams, allowed_services_)) {
    log_.AddFlaw(kUsedService,
                 "made a Unix datagram socket without an address, over which "
                 "services can be used unseen",
                 kDatagrams);
  }
}

void Decoder::SetNamespace(const Task& task, const uint64_t* args) {
  const uint64_t types = args[1];
  char link[32];
  std::snprintf(link, sizeof link, "fd/%d", Descriptor(args[0]));
  if (!task.ReadLink(link, &text_)) {
    return;  // EBADF
  }
  const bool is_mount_namespace =
      types == 0 ? absl::StartsWith(text_, "mnt:") : (types & CLONE_NEWNS) != 0;
  if (is_mount_namespace) {
    log_.AddFlaw(kSandboxRemapsFiles,
                 "the task entered another mount namespace");
  }
}

bool Decoder::HandleWorld(const Task& task, int number, const uint64_t* args) {
  switch (number) {
    case __NR_chroot: {
      Resolved at;
      if (Find(task, {AT_FDCWD, args[0]}, &at) && at.found() &&
          at.path != "/") {
        GoSlow();
        log_.AddFlaw(kSandboxRemapsFiles, "the task changed its root directory",
                     at.path);
      }
      return true;
    }
    case __NR_open_tree:
      if ((args[2] & kOpenTreeClone) == 0) {
        Observe(task,
                {Descriptor(args[0]), args[1], (args[2] & kNoFollow) == 0,
                 (args[2] & kEmptyPath) != 0},
                kMetadata);
        return true;
      }
      [[fallthrough]];
    case __NR_open_tree_attr:
    case __NR_pivot_root:
    case __NR_mount:
    case __NR_umount2:
    case __NR_move_mount:
    case __NR_mount_setattr:
      GoSlow();
      log_.AddFlaw(kSandboxRemapsFiles, "the task changed what is mounted");
      return true;
    case __NR_unshare:
      // Without CLONE_FS the threads of a process share one directory.
      GoSlow();
      if ((args[0] & CLONE_NEWNS) != 0) {
        log_.AddFlaw(kSandboxRemapsFiles,
                     "the task made a mount namespace of its own");
      }
      return true;
    case __NR_setns:
      GoSlow();
      SetNamespace(task, args);
      return true;
    case __NR_open_by_handle_at:
      log_.AddFlaw(kTrackingIncomplete, "a file was opened by its handle");
      return true;
    case __NR_acct:
    case __NR_swapon:
    case __NR_quotactl:
      log_.AddFlaw(kTrackingIncomplete,
                   "the task reconfigured accounting, swap or quota");
      return true;
    default:
      return false;
  }
}

}  // namespace vt::track
