// SPDX-License-Identifier: Apache-2.0
//
// The tier of this machine, found by trying: a child whose execve of a file
// that is not there is notified, read, and let go on. It is the real way
// through Spawn, filter, listener and another process's memory.

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <string>
#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"

#include "daemon/exec/spawn.h"
#include "daemon/track/filter.h"
#include "daemon/track/listener.h"
#include "daemon/track/syscall_numbers.h"
#include "daemon/track/task.h"
#include "daemon/track/tracker.h"

namespace vt::track {
namespace {

// Nobody can make a file in /proc.
const char kNoProgram[] = "/proc/vtask-self-test";

struct Trial {
  bool spawned = false;
  bool sync_wake_up = false;
  bool path_was_read = false;
  std::string problem;
};

void Answer(int pipe, Trial* trial) {
  int number = -1;
  if (::read(pipe, &number, sizeof number) !=
      static_cast<ssize_t>(sizeof number)) {
    return;
  }
  Listener listener{base::UniqueFd(number)};
  trial->sync_wake_up = listener.WakeSynchronously();
  seccomp_notif request;
  int error = 0;
  while (listener.Receive(&request, &error)) {
    if (request.data.nr == __NR_execve) {
      std::string path;
      const Task task(static_cast<pid_t>(request.pid));
      const Task::Read result = task.ReadString(request.data.args[0], &path);
      trial->path_was_read = result == Task::Read::kOk && path == kNoProgram;
      if (!trial->path_was_read) {
        trial->problem =
            "the memory of a task cannot be read "
            "(kernel.yama.ptrace_scope, or a container's profile)";
      }
    }
    if (!listener.Continue(request)) {
      trial->problem = "the kernel knows no SECCOMP_USER_NOTIF_FLAG_CONTINUE";
      return;
    }
  }
}

Trial Try(unsigned flags) {
  Trial trial;
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) {
    trial.problem = absl::StrCat("pipe: ", std::strerror(errno));
    return trial;
  }
  base::UniqueFd reader(ends[0]);
  base::UniqueFd writer(ends[1]);
  std::vector<sock_filter> filter = BuildFilter();
  const sock_fprog program = {static_cast<unsigned short>(filter.size()),
                              filter.data()};
  exec::SpawnOptions options;
  options.program = kNoProgram;
  options.argv = {kNoProgram};
  options.cwd = "/";
  options.filter = &program;
  options.filter_flags = flags;
  options.listener_pipe = writer.get();
  std::thread answering([&] { Answer(reader.get(), &trial); });
  const absl::Status status = exec::Spawn(options).status();
  writer.Reset();
  answering.join();
  trial.spawned = absl::IsNotFound(status);
  if (!trial.spawned && trial.problem.empty()) {
    trial.problem = std::string(status.message());
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
  Trial trial = Try(SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV);
  const bool is_killable = trial.spawned;
  if (!is_killable) {
    trial = Try(/*flags=*/0);
  }
  if (!trial.spawned || !trial.path_was_read) {
    tier.reason = trial.problem;
    return tier;
  }
  tier.level = !is_killable ? 3 : trial.sync_wake_up ? 1 : 2;
  if (tier.level == 3) {
    tier.reason = "the kernel is older than 5.19";
  } else if (tier.level == 2) {
    tier.reason = "the kernel is older than 6.6: tracking costs more";
  }
  if (forced > tier.level) {
    tier.level = forced;
    tier.reason = "lowered by VT_TRACK_TIER";
  }
  return tier;
}

}  // namespace vt::track
