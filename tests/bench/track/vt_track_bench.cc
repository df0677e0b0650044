// SPDX-License-Identifier: Apache-2.0
//
// vt_track_bench [--untraced|--notify-only] [--tier N] [--strict] [--root DIR]
// [--cost FILE] /PROGRAM ARG...: runs a program once, tracked as the daemon
// tracks a task or not at all, and writes to FILE (default: stderr) one line of
// JSON with what it cost. The measuring instrument of bench_track.py.
//
// What is counted. user_us and sys_us are the whole process tree, orphans
// included (this process is their subreaper). tracer_us is this process from
// just before the spawn until the main process was reaped: spawning, and all
// that the tracer thread does meanwhile. drain_us is what the end of the action
// takes from then on; the daemon does that on its worker pool.

#include <fcntl.h>
#include <linux/perf_event.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"

#include "daemon/base/status.h"
#include "daemon/base/unique_fd.h"
#include "daemon/exec/spawn.h"
#include "daemon/fingerprint/file_digests.h"
#include "daemon/track/preload_env.h"
#include "daemon/track/tracker.h"

extern char** environ;

namespace vt {
namespace {

struct Options {
  bool untraced = false;
  bool notify_only = false;
  bool strict = false;
  int tier = 0;
  std::string root;
  std::string cost_file;
  std::vector<std::string> argv;
};

struct Cost {
  int status = 0;
  int64_t user_us = 0, sys_us = 0;
  int64_t tracer_us = 0, drain_us = 0, wall_us = 0;
  int64_t instructions = -1;  // of all of it but the drain; -1: no counter
  track::AccessSet set;
};

int64_t Micros(const timeval& time) {
  return int64_t{time.tv_sec} * 1000000 + time.tv_usec;
}

rusage Usage(int who) {
  rusage usage = {};
  ::getrusage(who, &usage);
  return usage;
}

int64_t OwnCpu() {
  const rusage usage = Usage(RUSAGE_SELF);
  return Micros(usage.ru_utime) + Micros(usage.ru_stime);
}

// Counts user and kernel instructions of this process and all that it starts.
// Virtual machines seldom have such a counter: then the descriptor is invalid.
base::UniqueFd OpenInstructionCounter() {
  perf_event_attr attributes = {};
  attributes.size = sizeof attributes;
  attributes.type = PERF_TYPE_HARDWARE;
  attributes.config = PERF_COUNT_HW_INSTRUCTIONS;
  attributes.inherit = 1;
  return base::UniqueFd(static_cast<int>(
      ::syscall(SYS_perf_event_open, &attributes, 0, -1, -1, 0)));
}

int64_t ReadCounter(const base::UniqueFd& counter) {
  int64_t value = -1;
  if (!counter.is_valid() ||
      ::read(counter.get(), &value, sizeof value) != sizeof value) {
    return -1;
  }
  return value;
}

absl::StatusOr<std::unique_ptr<track::Tracker>> StartTracker(
    const Options& options, fingerprint::FileDigests* files) {
  track::TrackerOptions tracking;
  tracking.tier = track::SelfTest(options.tier);
  tracking.workspace_root = options.root;
  tracking.strict = options.strict;
  if (!options.notify_only) {
    tracking.preload = VT_PRELOAD;
    tracking.own_directories = {track::PreloadDirectory(VT_PRELOAD)};
  }
  tracking.digest = [files, root = options.root](const std::string& path) {
    return files->Look(root, path, /*follow=*/false, /*want_content=*/true)
        .content;
  };
  return track::Tracker::Start(std::move(tracking));
}

absl::StatusOr<int> AwaitExit(pid_t pid) {
  siginfo_t info = {};
  while (::waitid(P_PID, static_cast<id_t>(pid), &info, WEXITED) != 0) {
    if (errno != EINTR) {
      return base::ErrnoToStatus(errno, "waitid");
    }
  }
  return info.si_code == CLD_EXITED ? info.si_status : 128 + info.si_status;
}

absl::StatusOr<Cost> Measure(const Options& options) {
  fingerprint::FileDigests files(/*database=*/nullptr);
  exec::SpawnOptions spawn;
  spawn.program = options.argv[0];
  spawn.argv = options.argv;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    spawn.env.emplace_back(*entry);
  }
  spawn.cwd = options.root;
  spawn.stdout_fd = 1;
  spawn.stderr_fd = 2;
  std::unique_ptr<track::Tracker> tracker;
  if (!options.untraced) {
    VT_ASSIGN_OR_RETURN(tracker, StartTracker(options, &files));
    tracker->Prepare(&spawn);
    track::AddPreload(options.notify_only ? "" : VT_PRELOAD, &spawn.env);
  }
  Cost cost;
  const rusage children_before = Usage(RUSAGE_CHILDREN);
  const base::UniqueFd counter = OpenInstructionCounter();
  const int64_t own_before = OwnCpu();
  const absl::Time began = absl::Now();
  absl::StatusOr<exec::Child> child = exec::Spawn(spawn);
  if (tracker != nullptr) {
    tracker->SpawnReturned(child.ok());
  }
  VT_RETURN_IF_ERROR(child.status());
  VT_ASSIGN_OR_RETURN(cost.status, AwaitExit(child->pid));
  cost.wall_us = absl::ToInt64Microseconds(absl::Now() - began);
  const int64_t own_after = OwnCpu();
  cost.tracer_us = own_after - own_before;
  cost.instructions = ReadCounter(counter);
  if (tracker != nullptr) {
    cost.set = tracker->Drain(absl::Milliseconds(500), absl::Seconds(2));
    cost.drain_us = OwnCpu() - own_after;
  }
  while (::waitpid(-1, nullptr, WNOHANG) > 0) {
  }
  const rusage children = Usage(RUSAGE_CHILDREN);
  cost.user_us = Micros(children.ru_utime) - Micros(children_before.ru_utime);
  cost.sys_us = Micros(children.ru_stime) - Micros(children_before.ru_stime);
  return cost;
}

std::string ToJson(const Cost& cost) {
  uint64_t notifications = 0;
  for (const auto& [number, count] : cost.set.notifications) {
    notifications += count;
  }
  return absl::StrCat(
      "{\"status\": ", cost.status, ", \"user_us\": ", cost.user_us,
      ", \"sys_us\": ", cost.sys_us, ", \"tracer_us\": ", cost.tracer_us,
      ", \"drain_us\": ", cost.drain_us, ", \"wall_us\": ", cost.wall_us,
      ", \"instructions\": ", cost.instructions,
      ", \"notifications\": ", notifications,
      ", \"signed\": ", cost.set.signed_records,
      ", \"attachments\": ", cost.set.attachments,
      ", \"paths\": ", cost.set.accesses.size(),
      ", \"flaws\": ", cost.set.flaws.size(), "}\n");
}

bool ParseOptions(int argc, char** argv, Options* options) {
  char cwd[4096];
  options->root = ::getcwd(cwd, sizeof cwd) == nullptr ? "/" : cwd;
  int i = 1;
  for (; i < argc && argv[i][0] == '-'; ++i) {
    const std::string option = argv[i];
    if (option == "--untraced") {
      options->untraced = true;
    } else if (option == "--notify-only") {
      options->notify_only = true;
    } else if (option == "--strict") {
      options->strict = true;
    } else if (option == "--tier" && i + 1 < argc) {
      options->tier = std::atoi(argv[++i]);
    } else if (option == "--root" && i + 1 < argc) {
      options->root = argv[++i];
    } else if (option == "--cost" && i + 1 < argc) {
      options->cost_file = argv[++i];
    } else {
      return false;
    }
  }
  options->argv.assign(argv + i, argv + argc);
  return i < argc && argv[i][0] == '/';
}

int Main(int argc, char** argv) {
  Options options;
  if (!ParseOptions(argc, argv, &options)) {
    std::fprintf(stderr,
                 "usage: vt_track_bench [--untraced|--notify-only] [--tier N] "
                 "[--strict] "
                 "[--root DIR] "
                 "[--cost FILE] /PROGRAM ARG...\n");
    return 2;
  }
  ::prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
  const absl::StatusOr<Cost> cost = Measure(options);
  if (!cost.ok()) {
    std::fprintf(stderr, "vt_track_bench: %s\n",
                 std::string(cost.status().message()).c_str());
    return 1;
  }
  std::FILE* out = options.cost_file.empty()
                       ? stderr
                       : std::fopen(options.cost_file.c_str(), "we");
  if (out == nullptr) {
    std::perror(options.cost_file.c_str());
    return 1;
  }
  std::fputs(ToJson(*cost).c_str(), out);
  std::fflush(out);
  return cost->status;
}

}  // namespace
}  // namespace vt

int main(int argc, char** argv) { return vt::Main(argc, argv); }
