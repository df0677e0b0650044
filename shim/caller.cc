// SPDX-License-Identifier: Apache-2.0

#include "shim/caller.h"

#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <climits>
#include <cstring>
#include <string>

#include "daemon/base/path.h"
#include "daemon/base/version.h"
#include "shim/exit_code.h"

namespace vt::shim {
namespace {

void DescribeLimits(vtask::v1::Caller* caller) {
  const mode_t mask = ::umask(0);  // the only way to ask; there is one thread
  ::umask(mask);
  caller->set_umask(mask);
  errno = 0;
  const int nice = ::getpriority(PRIO_PROCESS, 0);
  caller->set_nice(errno == 0 ? nice : 0);
  for (int resource = 0; resource < static_cast<int>(RLIM_NLIMITS);
       ++resource) {
    rlimit limit = {};
    if (::getrlimit(static_cast<__rlimit_resource>(resource), &limit) == 0) {
      auto* entry = caller->add_limits();
      entry->set_resource(static_cast<uint32_t>(resource));
      entry->set_soft(limit.rlim_cur);
      entry->set_hard(limit.rlim_max);
    }
  }
}

}  // namespace

MaybeFailure DescribeCaller(int argc, char** argv, vtask::v1::RunStart* start) {
  const absl::string_view name = argc > 0 ? base::Basename(argv[0]) : "vt";
  start->add_argv(name.data(), name.size());
  for (int i = 1; i < argc; ++i) {
    start->add_argv(argv[i]);
  }
  vtask::v1::Caller* caller = start->mutable_caller();
  char here[PATH_MAX] = {};
  // A directory outside of our root comes as "(unreachable)…" (getcwd(3)).
  if (::getcwd(here, sizeof here) == nullptr || here[0] != '/') {
    return Failure{kExitFailed, errno == ENOENT
                                    ? "the current directory has been deleted"
                                    : std::string("the current directory: ") +
                                          std::strerror(errno)};
  }
  caller->set_cwd(here);
  for (char** entry = environ; *entry != nullptr; ++entry) {
    caller->add_env(*entry);
  }
  DescribeLimits(caller);
  DescribeTerminal(start->mutable_terminal());
  start->set_client_version(base::Version());
  start->set_client_build(base::BuildStamp());
  start->set_can_execute(true);
  start->set_can_interact(true);
  start->set_can_open_file(true);
  start->set_pid(static_cast<uint32_t>(::getpid()));
  return std::nullopt;
}

void DescribeTerminal(vtask::v1::Terminal* terminal) {
  const bool is_tty[3] = {::isatty(0) == 1, ::isatty(1) == 1, ::isatty(2) == 1};
  terminal->set_stdin_is_tty(is_tty[0]);
  terminal->set_stdout_is_tty(is_tty[1]);
  terminal->set_stderr_is_tty(is_tty[2]);
  for (const int fd : {1, 2, 0}) {
    winsize size = {};
    if (is_tty[fd] && ::ioctl(fd, TIOCGWINSZ, &size) == 0) {
      terminal->set_columns(size.ws_col);
      terminal->set_rows(size.ws_row);
      return;
    }
  }
}

}  // namespace vt::shim
