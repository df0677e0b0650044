// SPDX-License-Identifier: Apache-2.0

#include "daemon/keeper/signals.h"

#include <poll.h>
#include <sys/signalfd.h>
#include <unistd.h>

namespace vt::keeper {

base::UniqueFd BlockSignals(sigset_t* old_mask) {
  sigset_t all;
  sigfillset(&all);
  if (::sigprocmask(SIG_SETMASK, &all, old_mask) != 0) {
    return base::UniqueFd();
  }
  return base::UniqueFd(::signalfd(-1, &all, SFD_CLOEXEC | SFD_NONBLOCK));
}

int NextSignal(int signal_fd) {
  signalfd_siginfo info = {};
  return ::read(signal_fd, &info, sizeof info) == sizeof info
             ? static_cast<int>(info.ssi_signo)
             : 0;
}

Readiness WaitForEither(int first, int second, int timeout_ms) {
  pollfd fds[2] = {{first, POLLIN, 0}, {second, POLLIN, 0}};
  Readiness ready;
  if (::poll(fds, 2, timeout_ms) > 0) {
    ready.first = fds[0].revents != 0;
    ready.second = fds[1].revents != 0;
  }
  return ready;
}

}  // namespace vt::keeper
