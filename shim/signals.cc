// SPDX-License-Identifier: Apache-2.0

#include "shim/signals.h"

#include <sys/signalfd.h>
#include <unistd.h>

namespace vt::shim {

Signals::Signals() {
  sigemptyset(&wanted_);
  for (const int number : {SIGINT, SIGTERM, SIGHUP, SIGQUIT}) {
    struct sigaction action = {};
    // A blocked signal reaches a signalfd even if it is ignored (sigaction(2)
    // does not discard it then), so ask.
    if (::sigaction(number, nullptr, &action) == 0 &&
        action.sa_handler != SIG_IGN) {
      sigaddset(&wanted_, number);
    }
  }
  sigaddset(&wanted_, SIGWINCH);
  sigset_t blocked = wanted_;
  sigaddset(&blocked, SIGPIPE);
  ::sigprocmask(SIG_BLOCK, &blocked, &original_);
  fd_.Reset(::signalfd(-1, &wanted_, SFD_CLOEXEC | SFD_NONBLOCK));
}

Signals::~Signals() { ::sigprocmask(SIG_SETMASK, &original_, nullptr); }

Signals::Signal Signals::Next() {
  signalfd_siginfo info = {};
  if (::read(fd_.get(), &info, sizeof info) != sizeof info) {
    return {};
  }
  return {static_cast<int>(info.ssi_signo), info.ssi_code != SI_KERNEL};
}

void Signals::HoldStop(bool hold) {
  struct sigaction action = {};
  if (::sigaction(SIGTSTP, nullptr, &action) != 0 ||
      action.sa_handler == SIG_IGN) {
    return;
  }
  sigset_t stop;
  sigemptyset(&stop);
  sigaddset(&stop, SIGTSTP);
  (hold ? sigaddset : sigdelset)(&wanted_, SIGTSTP);
  // Without hold one that has come and was not read takes effect now.
  ::signalfd(fd_.get(), &wanted_, SFD_CLOEXEC | SFD_NONBLOCK);
  ::sigprocmask(hold ? SIG_BLOCK : SIG_UNBLOCK, &stop, nullptr);
}

void Signals::StopSelf() {
  sigset_t stop;
  sigset_t before;
  sigemptyset(&stop);
  sigaddset(&stop, SIGTSTP);
  ::kill(::getpid(), SIGTSTP);
  ::sigprocmask(SIG_UNBLOCK, &stop, &before);
  // Here it was stopped.
  ::sigprocmask(SIG_SETMASK, &before, nullptr);
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
