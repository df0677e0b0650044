// SPDX-License-Identifier: Apache-2.0

#include "daemon/exec/process.h"

#include <poll.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_set.h"

#include "daemon/exec/process_tree.h"
#include "daemon/loop/fd_watch.h"

namespace vt::exec {
namespace {

// Decisions H17.
constexpr absl::Duration kUntilTerm = absl::Seconds(5);
constexpr absl::Duration kUntilKill = absl::Seconds(2);

class WatchedProcess final : public Process {
 public:
  WatchedProcess(loop::EventLoop* loop, Child child, ExitCallback on_exit)
      : loop_(loop),
        child_(std::move(child)),
        on_exit_(std::move(on_exit)),
        watch_(std::make_unique<loop::FdWatch>(loop, child_.pidfd.get(),
                                               loop::FdWatch::kReadable,
                                               [this](int) { Reap(); })) {}

  pid_t pid() const override { return child_.pid; }

  void SignalTree(int signal) override {
    const std::vector<ProcessEntry> tree = TreeOf(child_.pid, ListProcesses());
    bool root_is_there = false;
    for (const ProcessEntry& entry : tree) {
      root_is_there |= entry.pid == child_.pid;
    }
    // The group in one call, so that nobody forks away in between. After the
    // root was reaped its number may be another's, unless members keep it.
    if (root_is_there || !tree.empty()) {
      ::kill(-child_.pid, signal);
    }
    for (const ProcessEntry& entry : tree) {
      if (entry.group != child_.pid) {
        ::kill(entry.pid, signal);
      }
    }
  }

  void Terminate(int first) override {
    if (escalation_ != nullptr || first == SIGKILL) {
      escalation_.reset();
      SignalTree(SIGKILL);
      return;
    }
    SignalTree(first);
    const bool is_term = first == SIGTERM;
    escalation_ = std::make_unique<loop::Timer>(
        loop_, is_term ? kUntilKill : kUntilTerm,
        [this, is_term] { Escalate(is_term ? SIGKILL : SIGTERM); });
  }

 private:
  void Escalate(int signal) {
    SignalTree(signal);
    if (signal == SIGTERM) {
      escalation_ = std::make_unique<loop::Timer>(
          loop_, kUntilKill, [this] { Escalate(SIGKILL); });
    }
  }

  void Reap() {
    siginfo_t info = {};
    const int result = ::waitid(P_PIDFD, static_cast<id_t>(child_.pidfd.get()),
                                &info, WEXITED | WNOHANG);
    if (result == 0 && info.si_pid == 0) {
      return;  // not yet
    }
    watch_.reset();
    ExitStatus status;
    if (result != 0) {
      status.code = 127;  // somebody else reaped it: our bug
    } else if (info.si_code == CLD_EXITED) {
      status.code = info.si_status;
    } else {
      status.signal = info.si_status;
      status.code = 128 + info.si_status;
    }
    // The callback may destroy this object.
    ExitCallback on_exit = std::move(on_exit_);
    on_exit(status);
  }

  loop::EventLoop* const loop_;
  Child child_;
  ExitCallback on_exit_;
  std::unique_ptr<loop::FdWatch> watch_;
  std::unique_ptr<loop::Timer> escalation_;
};

// Waits a moment for a killed process, and reaps it if it is our child.
void AwaitEnd(const ProcessEntry& entry, int limit_ms) {
  base::UniqueFd pidfd(
      static_cast<int>(::syscall(SYS_pidfd_open, entry.pid, 0)));
  if (pidfd.is_valid()) {
    pollfd item = {pidfd.get(), POLLIN, 0};
    ::poll(&item, 1, limit_ms);
  }
  ::waitpid(entry.pid, nullptr, WNOHANG);  // ECHILD: not ours
}

}  // namespace

std::unique_ptr<Process> Process::Watch(loop::EventLoop* loop, Child child,
                                        ExitCallback on_exit) {
  return std::make_unique<WatchedProcess>(loop, std::move(child),
                                          std::move(on_exit));
}

void KillLeftovers(pid_t pid, const std::string& marker) {
  // A round finds what the processes of the round before left behind; a fork
  // bomb could race it, hence the bound.
  for (int round = 0; round < 20; ++round) {
    const std::vector<ProcessEntry> all = ListProcesses();
    std::vector<ProcessEntry> victims = TreeOf(pid, all);
    const ProcessEntry* unknown = nullptr;
    for (const ProcessEntry& entry : all) {
      if (entry.parent != ::getpid() || marker.empty()) {
        continue;
      }
      switch (IsMarked(entry, marker)) {
        case Marked::kYes:
          for (const ProcessEntry& member : TreeOf(entry.pid, all)) {
            victims.push_back(member);
          }
          break;
        case Marked::kUnknown:
          unknown = &entry;
          break;
        case Marked::kNo:
          break;
      }
    }
    if (victims.empty() && unknown == nullptr) {
      return;
    }
    for (const ProcessEntry& entry : victims) {
      ::kill(entry.pid, SIGKILL);
    }
    for (const ProcessEntry& entry : victims) {
      AwaitEnd(entry, /*limit_ms=*/100);
    }
    if (victims.empty()) {
      AwaitEnd(*unknown, /*limit_ms=*/5);
    }
  }
}

void ReapOrphans(const std::function<bool(pid_t)>& is_watched) {
  const pid_t self = ::getpid();
  for (const ProcessEntry& entry : ListProcesses()) {
    if (entry.parent == self && entry.state == 'Z' && !is_watched(entry.pid)) {
      ::waitpid(entry.pid, nullptr, WNOHANG);
    }
  }
}

}  // namespace vt::exec
