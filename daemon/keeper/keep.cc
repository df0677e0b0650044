// SPDX-License-Identifier: Apache-2.0
//
// Order matters here: when the daemon is dead, first its tasks are killed, then
// the listeners are closed. The other way round tasks would see ENOSYS.

#include "daemon/keeper/keep.h"

#include <fcntl.h>
#include <linux/close_range.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <string>
#include <vector>

#include "daemon/base/unique_fd.h"
#include "daemon/keeper/descendants.h"
#include "daemon/keeper/held_listeners.h"
#include "daemon/keeper/signals.h"

namespace vt::keeper {
namespace {

// A log over this size becomes LOG.1 when the next daemon starts. Guess.
constexpr off_t kMaxLogBytes = 4 << 20;

// Standard input from nowhere, both outputs to the log.
void RedirectStdio(const char* log) {
  const int null = ::open("/dev/null", O_RDWR);
  int out = -1;
  if (log != nullptr) {
    struct stat facts = {};
    if (::stat(log, &facts) == 0 && facts.st_size > kMaxLogBytes) {
      static_cast<void>(::rename(log, (std::string(log) + ".1").c_str()));
    }
    out = ::open(log, O_WRONLY | O_APPEND | O_CREAT, 0600);
  }
  ::dup2(null, STDIN_FILENO);
  ::dup2(out >= 0 ? out : null, STDOUT_FILENO);
  ::dup2(out >= 0 ? out : null, STDERR_FILENO);
}

// The caller may have leaked anything to us: a pipe that somebody waits on, a
// lock. Only `kept` lives on.
void CloseAllBut(int kept) {
  const unsigned int last = ~0U;
  if (kept < 3) {
    ::close_range(3, last, 0);
    return;
  }
  const unsigned int middle = static_cast<unsigned int>(kept);
  if (middle > 3) {
    ::close_range(3, middle - 1, 0);
  }
  ::close_range(middle + 1, last, 0);
}

// What was ignored stays ignored over execve (nohup, `&` in scripts); the
// daemon's tasks take nothing from whoever happened to start it.
void ResetSignals() {
  for (int number = 1; number < NSIG; ++number) {
    ::signal(number, SIG_DFL);
  }
}

// In the child: becomes the daemon.
[[noreturn]] void BecomeDaemon(const KeepOptions& options, int socket,
                               pid_t keeper, const sigset_t& mask) {
  // SIGTERM, not SIGKILL: a daemon whose keeper died can still end its tasks.
  ::prctl(PR_SET_PDEATHSIG, SIGTERM);
  if (::getppid() != keeper) {
    ::_exit(1);
  }
  ::fcntl(socket, F_SETFD, 0);
  const std::string number = std::to_string(socket);
  std::string flag = "--keeper-fd";
  std::vector<char*> argv;
  for (char** arg = options.command; *arg != nullptr; ++arg) {
    argv.push_back(*arg);
  }
  std::string value = number;
  argv.push_back(flag.data());
  argv.push_back(value.data());
  argv.push_back(nullptr);
  ::sigprocmask(SIG_SETMASK, &mask, nullptr);
  ::execv(argv[0], argv.data());
  const std::string text = std::string("error: starting `") + argv[0] +
                           "`: " + std::strerror(errno) + "\n";
  if (options.ready_fd >= 0) {
    static_cast<void>(::write(options.ready_fd, text.c_str(), text.size()) ==
                      0);
  }
  std::fprintf(stderr, "vt-keeper: %s", text.c_str());
  ::_exit(127);
}

// Serves until `daemon` is gone; its wait status.
int ServeDaemon(pid_t daemon, int socket, int signal_fd,
                HeldListeners* listeners) {
  for (;;) {
    const Readiness ready = WaitForEither(socket, signal_fd, -1);
    if (ready.first && !listeners->Serve(socket)) {
      socket = -1;  // closed when all is over: it may still carry listeners
    }
    for (int number = 0;
         ready.second && (number = NextSignal(signal_fd)) != 0;) {
      // To end the keeper means to end the daemon, in order.
      if (number == SIGTERM || number == SIGINT || number == SIGHUP) {
        ::kill(daemon, SIGTERM);
      }
    }
    int status = 0;
    pid_t gone = 0;
    while ((gone = ::waitpid(-1, &status, WNOHANG)) > 0) {
      if (gone == daemon) {
        return status;
      }
    }
  }
}

void RaiseDescriptorLimit() {
  rlimit limit = {};
  if (::getrlimit(RLIMIT_NOFILE, &limit) == 0) {
    limit.rlim_cur = limit.rlim_max;
    ::setrlimit(RLIMIT_NOFILE, &limit);
  }
}

[[noreturn]] void Keep(const KeepOptions& options) {
  CloseAllBut(options.ready_fd);
  ResetSignals();
  ::prctl(PR_SET_CHILD_SUBREAPER, 1);
  sigset_t inherited;  // not passed on
  const base::UniqueFd signal_fd = BlockSignals(&inherited);
  sigset_t none;
  sigemptyset(&none);
  int ends[2] = {-1, -1};
  if (!signal_fd.is_valid() ||
      ::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0) {
    std::perror("vt-keeper");
    ::_exit(1);
  }
  const base::UniqueFd ours(ends[0]);
  base::UniqueFd theirs(ends[1]);
  const pid_t keeper = ::getpid();
  const pid_t daemon = ::fork();
  if (daemon == 0) {
    BecomeDaemon(options, theirs.get(), keeper, none);
  }
  if (daemon < 0) {
    std::perror("vt-keeper: fork");
    ::_exit(1);
  }
  theirs.Reset();
  if (options.ready_fd >= 0) {
    ::close(options.ready_fd);
  }
  RaiseDescriptorLimit();
  HeldListeners listeners;
  const int status =
      ServeDaemon(daemon, ours.get(), signal_fd.get(), &listeners);
  const int killed = KillDescendants();
  if (WIFSIGNALED(status)) {
    std::fprintf(stderr,
                 "vt-keeper: vtaskd (pid %d) was killed by signal %d; ended "
                 "%d of its processes\n",
                 daemon, WTERMSIG(status), killed);
  }
  ::_exit(0);  // closes the listeners
}

}  // namespace

int RunKeeper(const KeepOptions& options) {
  const pid_t first = ::fork();
  if (first != 0) {
    return first < 0 ? 1 : 0;
  }
  ::setsid();
  // A second fork: not a session leader, so no terminal can become its own.
  const pid_t second = ::fork();
  if (second != 0) {
    ::_exit(second < 0 ? 1 : 0);
  }
  ::umask(077);
  RedirectStdio(options.log);
  if (::chdir("/") != 0) {
    ::_exit(1);
  }
  Keep(options);
}

}  // namespace vt::keeper
