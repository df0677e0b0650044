// SPDX-License-Identifier: Apache-2.0

#include "daemon/keeper/mind.h"

#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <string>

#include "daemon/base/unique_fd.h"
#include "daemon/keeper/descendants.h"
#include "daemon/keeper/signals.h"

namespace vt::keeper {
namespace {

constexpr int64_t kGraceMs = 2000;  // decisions H17, its last step
// A signal to our whole process group reaches us, the task and the shim at the
// same moment; what the shim passes on within this time of our own is that one
// (a guess, far above what a shim on a busy machine takes to pass it on).
constexpr int64_t kSameSignalMs = 2000;

// Whether `number` is a wish to interrupt, and not one that whoever started us
// has set to be ignored (nohup, `&` in a script).
bool IsInterruption(int number) {
  if (number != SIGINT && number != SIGQUIT && number != SIGHUP &&
      number != SIGTERM) {
    return false;
  }
  struct sigaction action = {};
  return ::sigaction(number, nullptr, &action) == 0 &&
         action.sa_handler != SIG_IGN;
}

int64_t NowMs() {
  timespec now = {};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  return int64_t{now.tv_sec} * 1000 + now.tv_nsec / 1000000;
}

class Minder {
 public:
  Minder(int socket, base::UniqueFd signal_fd, pid_t shim)
      : socket_(socket),
        signal_fd_(std::move(signal_fd)),
        shim_(shim) {}

  // Starts the task; false (after the report) if that failed.
  bool Start(char** command, const sigset_t& mask);
  // Serves until the task has ended; its wait status.
  int Serve();
  // After an interruption: waits for what the task left, then kills it.
  void EndLeftovers();
  void Say(const std::string& text) const {
    ::send(socket_, text.data(), text.size(), MSG_NOSIGNAL);
  }

 private:
  // Handle all that has come; never block.
  void HandleShim();
  void HandleSignals();
  // Whether the task has `number` from elsewhere, being in our group.
  bool HasJustHeard(int number);
  // Reaps; false when there is no child left.
  bool Reap();
  [[noreturn]] void KillAll() {
    KillDescendants();
    ::_exit(1);
  }

  const int socket_;
  const base::UniqueFd signal_fd_;
  const pid_t shim_;
  pid_t task_ = -1;
  bool ended_ = false;
  int status_ = 0;
  int interruptions_ = 0;
  // The last interruption that came to ourselves.
  int heard_ = 0;
  int64_t heard_at_ms_ = 0;
};

// In the child: becomes the task, or tells `report` the errno of the failure.
[[noreturn]] void BecomeTask(char** command, const sigset_t& mask, pid_t minder,
                             int report) {
  // The second rope: a killed minder takes at least the task itself with it.
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (::getppid() != minder) {
    ::_exit(1);
  }
  ::sigprocmask(SIG_SETMASK, &mask, nullptr);
  ::execv(command[0], command + 1);
  const int error = errno;
  static_cast<void>(::write(report, &error, sizeof error) == 0);
  ::_exit(127);
}

bool Minder::Start(char** command, const sigset_t& mask) {
  int report[2] = {-1, -1};
  if (::pipe2(report, O_CLOEXEC) != 0) {
    Say(std::string("F pipe: ") + std::strerror(errno));
    return false;
  }
  const base::UniqueFd reader(report[0]);
  base::UniqueFd writer(report[1]);
  const pid_t minder = ::getpid();
  task_ = ::fork();
  if (task_ == 0) {
    BecomeTask(command, mask, minder, writer.get());
  }
  if (task_ < 0) {
    Say(std::string("F fork: ") + std::strerror(errno));
    return false;
  }
  writer.Reset();
  int error = 0;
  if (::read(reader.get(), &error, sizeof error) == sizeof error) {
    ::waitpid(task_, nullptr, 0);
    Say(std::string("F execve `") + command[0] + "`: " + std::strerror(error));
    return false;
  }
  Say("S " + std::to_string(task_));
  return true;
}

void Minder::HandleShim() {
  for (;;) {
    char text[32] = {};
    const ssize_t n = ::recv(socket_, text, sizeof text - 1, MSG_DONTWAIT);
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
      return;
    }
    if (n <= 0) {
      KillAll();
    }
    if (std::strncmp(text, "T ", 2) != 0) {
      continue;
    }
    ++interruptions_;
    const int number = std::atoi(text + 2);
    if (!ended_ && !HasJustHeard(number)) {
      ::kill(task_, number);
    }
  }
}

bool Minder::HasJustHeard(int number) {
  HandleSignals();
  const bool heard = heard_ == number && NowMs() - heard_at_ms_ < kSameSignalMs;
  heard_ = 0;
  return heard;
}

void Minder::HandleSignals() {
  for (int number = 0; (number = NextSignal(signal_fd_.get())) != 0;) {
    if (::getppid() != shim_) {
      KillAll();  // PR_SET_PDEATHSIG
    }
    if (IsInterruption(number)) {
      ++interruptions_;
      heard_ = number;
      heard_at_ms_ = NowMs();
    }
  }
}

bool Minder::Reap() {
  int status = 0;
  pid_t gone = 0;
  while ((gone = ::waitpid(-1, &status, WNOHANG)) > 0) {
    if (gone == task_) {
      ended_ = true;
      status_ = status;
    }
  }
  return gone == 0;
}

int Minder::Serve() {
  while (Reap() && !ended_) {
    const Readiness ready = WaitForEither(socket_, signal_fd_.get(), -1);
    if (ready.first) {
      HandleShim();
    }
    if (ready.second) {
      HandleSignals();
    }
  }
  return status_;
}

void Minder::EndLeftovers() {
  // What arrived together with the task's own end counts. The shim tells us
  // first and the daemon after, so that it is here if the task died of it.
  HandleShim();
  HandleSignals();
  if (interruptions_ == 0) {
    return;
  }
  const int before = interruptions_;
  const int64_t deadline = NowMs() + kGraceMs;
  while (Reap() && interruptions_ == before) {
    const int64_t left = deadline - NowMs();
    if (left <= 0) {
      break;
    }
    const Readiness ready =
        WaitForEither(socket_, signal_fd_.get(), static_cast<int>(left));
    if (ready.first) {
      HandleShim();
    }
    if (ready.second) {
      HandleSignals();
    }
  }
  KillDescendants();
}

}  // namespace

int RunMinder(int socket, char** command) {
  const pid_t shim = ::getppid();
  // SIGTERM, with a look at the parent: SIGKILL would end the minder before the
  // tree.
  ::prctl(PR_SET_PDEATHSIG, SIGTERM);
  ::prctl(PR_SET_CHILD_SUBREAPER, 1);
  ::fcntl(socket, F_SETFD, FD_CLOEXEC);
  sigset_t mask;
  Minder minder(socket, BlockSignals(&mask), shim);
  if (!minder.Start(command, mask)) {
    return 1;
  }
  const int status = minder.Serve();
  minder.EndLeftovers();
  minder.Say("X " + std::to_string(status));
  return 0;
}

}  // namespace vt::keeper
