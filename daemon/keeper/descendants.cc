// SPDX-License-Identifier: Apache-2.0

#include "daemon/keeper/descendants.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <string>

#include "daemon/base/unique_fd.h"

namespace vt::keeper {
namespace {

// The direct children of this process, "12 13 ", or "" if unknown. The list may
// be incomplete while processes come and go (proc(5)): it is only asked what to
// kill next; wait(2) says when all is done.
std::string ListChildren() {
  const std::string path =
      "/proc/self/task/" + std::to_string(::getpid()) + "/children";
  const base::UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  std::string list;
  char buffer[4096];
  ssize_t n = 0;
  while (fd.is_valid() && (n = ::read(fd.get(), buffer, sizeof buffer)) > 0) {
    list.append(buffer, static_cast<size_t>(n));
  }
  return list;
}

// Sends SIGKILL to each of `list`; how many could be reached.
int KillEach(const std::string& list) {
  int killed = 0;
  const char* at = list.c_str();
  char* end = nullptr;
  for (long pid = 0; (pid = std::strtol(at, &end, 10)) > 0 && end != at;
       at = end) {
    killed += ::kill(static_cast<pid_t>(pid), SIGKILL) == 0 ? 1 : 0;
  }
  return killed;
}

}  // namespace

int KillDescendants() {
  int reaped = 0;
  for (;;) {
    const pid_t gone = ::waitpid(-1, nullptr, WNOHANG);
    if (gone > 0) {
      ++reaped;
      continue;
    }
    if (gone < 0 && errno == ECHILD) {
      return reaped;
    }
    const int killed = KillEach(ListChildren());
    if (killed == 0) {
      return reaped;
    }
    // Children of the dead become ours when they die, before they are reaped,
    // so each round goes one generation down.
    for (int i = 0; i < killed; ++i) {
      if (::waitpid(-1, nullptr, 0) > 0) {
        ++reaped;
      } else if (errno == ECHILD) {
        return reaped;
      }
    }
  }
}

}  // namespace vt::keeper
