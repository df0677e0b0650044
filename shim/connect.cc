// SPDX-License-Identifier: Apache-2.0
//
// How `vt` comes to its daemon.
//
// 1. Connect to the socket that the cache directory's name tells. Almost every
//    call ends here: socket(2), connect(2).
// 2. Refused or missing (a stale socket file is just a refused connect): the
//    daemon may have been started with another runtime directory (ssh, cron),
//    so read the lock it holds in the cache directory and try the socket named
//    there.
// 3. Else one has to be started. Everyone who comes here takes the start lock,
//    a flock(2) that dies with its holder, and looks again: of ten shims the
//    first starts the daemon, nine find it.
// 4. A daemon that is going away (drain, replacement) unlinks its socket first
//    and gives up the cache's lock a little later. Nobody can take the cache
//    before, so wait for the lock, in the kernel, bounded in time.
// 5. start.h: a keeper, a daemon, a pipe that says "ok".
//
// Beyond all that a connection is only that: the daemon may still end before it
// answers; run_command.cc then comes here again, once.

#include "shim/connect.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "daemon/base/path.h"
#include "shim/exit_code.h"
#include "shim/start.h"

namespace vt::shim {
namespace {

// Bounds, all guesses: each is far above what a healthy machine needs.
constexpr int kStartLockSeconds = 60;  // over the bound of one start
constexpr int kReplaceSeconds = 30;
constexpr int kLeavingSeconds = 10;
constexpr int kEndMs = 30'000;

void OnAlarm(int) {}

// flock(2) with a bound. False with errno EINTR when time is up.
bool LockWithin(int fd, int operation, int seconds) {
  if (::flock(fd, operation | LOCK_NB) == 0) {
    return true;
  }
  if (errno != EWOULDBLOCK) {
    return false;
  }
  // The signal interrupts flock: no SA_RESTART. It repeats, so that one which
  // comes just before flock is entered does no harm.
  struct sigaction action = {};
  struct sigaction old_action = {};
  action.sa_handler = OnAlarm;
  ::sigaction(SIGALRM, &action, &old_action);
  const itimerval timer = {{1, 0}, {seconds, 0}};
  const itimerval off = {};
  ::setitimer(ITIMER_REAL, &timer, nullptr);
  const int result = ::flock(fd, operation);
  const int error = errno;
  ::setitimer(ITIMER_REAL, &off, nullptr);
  ::sigaction(SIGALRM, &old_action, nullptr);
  errno = error;
  return result == 0;
}

// Waits until nobody holds the daemon's lock (or there is none). Whether it had
// to wait goes to `waited`.
bool WaitForCache(const std::string& lock_path, int seconds, bool* waited) {
  const base::UniqueFd fd(::open(lock_path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd.is_valid() || ::flock(fd.get(), LOCK_SH | LOCK_NB) == 0) {
    return true;
  }
  *waited = true;
  return LockWithin(fd.get(), LOCK_SH, seconds);
}

bool IsOwnProcess(int socket) {
  ucred peer = {};
  socklen_t size = sizeof peer;
  return ::getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0 &&
         peer.uid == ::geteuid();
}

bool IsTheOneReplaced(const Directories& directories,
                      const std::optional<Replaced>& replaced) {
  if (!replaced.has_value()) {
    return false;
  }
  const auto lock = ReadDaemonLock(directories.DaemonLock());
  return lock.has_value() && lock->build == replaced->build &&
         lock->version == replaced->version;
}

}  // namespace

base::UniqueFd ConnectTo(const std::string& path) {
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  std::string name = path;
  base::UniqueFd directory;
  if (name.size() >= sizeof address.sun_path) {
    const std::string parent(base::Dirname(path));
    directory.Reset(::open(parent.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
    name = "/proc/self/fd/" + std::to_string(directory.get()) + "/" +
           std::string(base::Basename(path));
    if (!directory.is_valid() || name.size() >= sizeof address.sun_path) {
      return base::UniqueFd();
    }
  }
  std::memcpy(address.sun_path, name.c_str(), name.size() + 1);
  base::UniqueFd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  int result = 0;
  do {
    result =
        ::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address),
                  sizeof address);
  } while (result != 0 && errno == EINTR);
  if (result != 0 || !IsOwnProcess(socket.get())) {
    return base::UniqueFd();
  }
  return socket;
}

base::UniqueFd ConnectToRunning(const Directories& directories) {
  base::UniqueFd socket = ConnectTo(directories.Socket());
  if (socket.is_valid()) {
    return socket;
  }
  const auto lock = ReadDaemonLock(directories.DaemonLock());
  if (lock.has_value() && lock->socket != directories.Socket()) {
    return ConnectTo(lock->socket);
  }
  return base::UniqueFd();
}

MaybeFailure ConnectOrStart(const Directories& directories,
                            const std::optional<Replaced>& replaced,
                            base::UniqueFd* out, pid_t* started) {
  if (started != nullptr) {
    *started = 0;
  }
  if (!replaced.has_value()) {
    *out = ConnectToRunning(directories);
    if (out->is_valid()) {
      return std::nullopt;
    }
  }
  if (MaybeFailure failure = PrepareDirectories(directories, ::geteuid())) {
    return failure;
  }
  const std::string start_lock = directories.StartLock();
  const base::UniqueFd lock(
      ::open(start_lock.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600));
  if (!lock.is_valid() || !LockWithin(lock.get(), LOCK_EX, kStartLockSeconds)) {
    return Failure{kExitUnavailable,
                   "cannot start vtaskd: lock `" + start_lock + "`: " +
                       (errno == EINTR ? "another vt has held it for too long"
                                       : std::strerror(errno))};
  }
  const bool leaving = IsTheOneReplaced(directories, replaced);
  if (!leaving) {
    *out = ConnectToRunning(directories);
    if (out->is_valid()) {
      return std::nullopt;
    }
  }
  bool waited = false;
  if (!WaitForCache(directories.DaemonLock(),
                    leaving ? kReplaceSeconds : kLeavingSeconds, &waited) &&
      leaving) {
    return Failure{kExitUnavailable,
                   "the older vtaskd " + replaced->version +
                       " does not let go of its cache; end it "
                       "with `vt daemon stop --now`"};
  }
  if (waited) {
    // It may have been one that was just starting, not leaving.
    *out = ConnectToRunning(directories);
    if (out->is_valid()) {
      return std::nullopt;
    }
  }
  if (MaybeFailure failure = StartDaemon(directories)) {
    return failure;
  }
  *out = ConnectToRunning(directories);
  if (!out->is_valid()) {
    return Failure{kExitUnavailable,
                   "vtaskd was started but does not listen on `" +
                       directories.Socket() + "`; its log is `" +
                       directories.Log() + "`"};
  }
  if (const auto holder = ReadDaemonLock(directories.DaemonLock());
      started != nullptr && holder.has_value()) {
    *started = holder->pid;
  }
  return std::nullopt;
}

bool WaitForEnd(pid_t pid) {
  const base::UniqueFd process(
      static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
  if (!process.is_valid()) {
    return errno == ESRCH;
  }
  pollfd wait = {process.get(), POLLIN, 0};
  int result = 0;
  do {
    result = ::poll(&wait, 1, kEndMs);
  } while (result < 0 && errno == EINTR);
  return result > 0;
}

}  // namespace vt::shim
