// SPDX-License-Identifier: Apache-2.0
//
// The tier of this machine, found by trying: a child makes an open that is
// notified and read, a signed one that must not be, asks for an arena and looks
// into it, and fails to execute a file that is not there. It is the real way
// through Spawn, filter, listener and another process's memory.

#include <fcntl.h>
#include <poll.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <string>
#include <thread>
#include <utility>

#include "absl/base/attributes.h"
#include "absl/strings/str_cat.h"

#include "daemon/exec/spawn.h"
#include "daemon/track/arena.h"
#include "daemon/track/decoder.h"
#include "daemon/track/filter.h"
#include "daemon/track/listener.h"
#include "daemon/track/syscall_numbers.h"
#include "daemon/track/task.h"
#include "daemon/track/tracker.h"

namespace vt::track {
namespace {

// Nobody can make a file in /proc.
constexpr char kNothing[] = "/proc/vtask-self-test";
constexpr char kSigned[] = "/proc/vtask-self-test-signed";
// Any number does: nobody guesses it in the time it lives.
constexpr uint64_t kSignature = 0x5e1f7e57a5c1d3b9;

struct Trial {
  // How to try.
  unsigned filter_flags = 0;
  bool gives_at_once = true;

  // By the child.
  bool signed_call_passed = false;
  bool got_arena = false;
  // By the listener.
  bool sync_wake_up = false;
  bool path_was_read = false;
  bool signed_call_was_heard = false;
  // By Spawn.
  bool spawned = false;
  std::string problem;

  bool can_sign() const {
    return signed_call_passed && !signed_call_was_heard && got_arena;
  }
};

// In the child, under the filter: system calls only (exec/spawn.h).
ABSL_ATTRIBUTE_NO_SANITIZE_ADDRESS ABSL_ATTRIBUTE_NO_SANITIZE_UNDEFINED void
Probe(void* argument) {
  auto* trial = static_cast<Trial*>(argument);
  ::syscall(SYS_openat, AT_FDCWD, kNothing, O_RDONLY, 0, 0, 0);
  const uint64_t pointer = reinterpret_cast<uintptr_t>(kSigned);
  trial->signed_call_passed = ::syscall(SYS_openat, AT_FDCWD, kSigned, O_RDONLY,
                                        0, 0, kSignature ^ pointer) < 0 &&
                              errno == ENOENT;
  const long fd = ::syscall(SYS_openat, kHelloDirectory, kNothing, kHelloFlags,
                            0, kHelloWord, uint64_t{kArenaVersion});
  ArenaHeader header;
  if (fd >= 0) {
    trial->got_arena = ::syscall(SYS_pread64, fd, &header, sizeof header, 0) ==
                           static_cast<long>(sizeof header) &&
                       header.magic == kArenaMagic &&
                       header.signature == kSignature;
    ::syscall(SYS_close, fd);
  }
}

// A call of the child. True: it is answered.
bool Hear(const seccomp_notif& request, const Listener& listener,
          const Arena* arena, Trial* trial) {
  const Task task(static_cast<pid_t>(request.pid));
  if (Decoder::IsHello(request.data)) {
    if (arena == nullptr ||
        !listener.Give(request, arena->fd(), trial->gives_at_once)) {
      listener.Refuse(request, EPERM);
    }
    return true;
  }
  const bool is_open = request.data.nr == __NR_openat;
  std::string path;
  const Task::Read result =
      task.ReadString(request.data.args[is_open ? 1 : 0], &path);
  if (result == Task::Read::kOk && path == kSigned) {
    trial->signed_call_was_heard = true;
  }
  if (request.data.nr == __NR_execve) {
    trial->path_was_read = result == Task::Read::kOk && path == kNothing;
    if (!trial->path_was_read) {
      trial->problem =
          "the memory of a task cannot be read "
          "(kernel.yama.ptrace_scope, or a container's profile)";
    }
  }
  return false;
}

void Answer(int pipe, Trial* trial) {
  int number = -1;
  if (::read(pipe, &number, sizeof number) !=
      static_cast<ssize_t>(sizeof number)) {
    return;
  }
  Listener listener{base::UniqueFd(number)};
  trial->sync_wake_up = listener.WakeSynchronously();
  const std::unique_ptr<Arena> arena =
      Arena::Create(kSignature, /*chunk_count=*/1);
  seccomp_notif request;
  int error = 0;
  while (listener.Receive(&request, &error)) {
    if (!Hear(request, listener, arena.get(), trial) &&
        !listener.Continue(request)) {
      trial->problem = "the kernel knows no SECCOMP_USER_NOTIF_FLAG_CONTINUE";
      return;
    }
  }
}

void Try(Trial* trial) {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) {
    trial->problem = absl::StrCat("pipe: ", std::strerror(errno));
    return;
  }
  base::UniqueFd reader(ends[0]);
  base::UniqueFd writer(ends[1]);
  std::vector<sock_filter> filter = BuildFilter({.signature = kSignature});
  const sock_fprog program = {static_cast<unsigned short>(filter.size()),
                              filter.data()};
  exec::SpawnOptions options;
  options.program = kNothing;
  options.argv = {kNothing};
  options.cwd = "/";
  options.filter = &program;
  options.filter_flags = trial->filter_flags;
  options.listener_pipe = writer.get();
  options.probe = &Probe;
  options.probe_argument = trial;
  std::thread answering([&] { Answer(reader.get(), trial); });
  const absl::Status status = exec::Spawn(options).status();
  writer.Reset();
  answering.join();
  trial->spawned = absl::IsNotFound(status);
  if (!trial->spawned && trial->problem.empty()) {
    trial->problem = std::string(status.message());
  }
}

// The best way that works here.
Trial TryAll(int forced) {
  Trial trial;
  if (forced <= 2) {
    trial.filter_flags = SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV;
    Try(&trial);
  }
  if (!trial.spawned) {
    trial = {};
    trial.gives_at_once = forced <= 2;
    Try(&trial);
  }
  if (trial.spawned && trial.gives_at_once && !trial.got_arena) {
    Trial in_two_steps;
    in_two_steps.filter_flags = trial.filter_flags;
    in_two_steps.gives_at_once = false;
    Try(&in_two_steps);
    if (in_two_steps.got_arena) {
      return in_two_steps;
    }
  }
  return trial;
}

}  // namespace

Tier SelfTest(int forced) {
  Tier tier;
  if (forced >= 4) {
    tier.reason = "turned off by VT_TRACK_TIER";
    return tier;
  }
  const Trial trial = TryAll(forced);
  if (!trial.spawned || !trial.path_was_read) {
    tier.reason = trial.problem;
    return tier;
  }
  tier.wait_killable = trial.filter_flags != 0;
  tier.can_sign = trial.can_sign();
  tier.level = !trial.gives_at_once ? 3 : trial.sync_wake_up ? 1 : 2;
  if (tier.level == 3) {
    tier.reason = "the kernel is older than 5.14: tracking costs more";
  } else if (tier.level == 2) {
    tier.reason = "the kernel is older than 6.6: tracking costs more";
  }
  if (forced > 1 && forced >= tier.level) {
    tier.level = forced;
    tier.reason = "lowered by VT_TRACK_TIER";
  }
  if (!tier.can_sign) {
    absl::StrAppend(&tier.reason, tier.reason.empty() ? "" : "; ",
                    trial.got_arena ? "calls cannot be signed"
                                    : "no descriptor can be given to a task");
  }
  return tier;
}

}  // namespace vt::track
