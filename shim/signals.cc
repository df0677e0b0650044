// SPDX-License-Identifier: Apache-2.0

#include "shim/signals.h"

#include <sys/signalfd.h>
#include <unistd.h>

namespace vt::shim {

Signals::Signals() {
  sigset_t wanted;
  sigemptyset(&wanted);
  for (const int number : {SIGINT, SIGTERM, SIGHUP, SIGQUIT}) {
    struct sigaction action = {};
    // A blocked signal reaches a signalfd even if it is ignored (sigaction(2)
    // does not discard it then), so ask.
    if (::sigaction(number, nullptr, &action) == 0 &&
        action.sa_handler != SIG_IGN) {
      sigaddset(&wanted, number);
    }
  }
  sigaddset(&wanted, SIGWINCH);
  sigset_t blocked = wanted;
  sigaddset(&blocked, SIGPIPE);
  ::sigprocmask(SIG_BLOCK, &blocked, &original_);
  fd_.Reset(::signalfd(-1, &wanted, SFD_CLOEXEC | SFD_NONBLOCK));
}

Signals::~Signals() { ::sigprocmask(SIG_SETMASK, &original_, nullptr); }

int Signals::Next() {
  signalfd_siginfo info = {};
  return ::read(fd_.get(), &info, sizeof info) == sizeof info
             ? static_cast<int>(info.ssi_signo)
             : 0;
}

void DieBy(int signal) {
  ::signal(signal, SIG_DFL);
  sigset_t one;
  sigemptyset(&one);
  sigaddset(&one, signal);
  ::kill(::getpid(), signal);
  ::sigprocmask(SIG_UNBLOCK, &one, nullptr);
  ::_exit(128 + signal);
}

}  // namespace vt::shim
