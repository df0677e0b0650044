// SPDX-License-Identifier: Apache-2.0
//
// vt: hands its command line to the user's daemon, and is its hands and ears:
// terminal, signals, exit code. It parses nothing but what it must answer
// alone.

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <string>

#include "daemon/base/path.h"
#include "daemon/base/version.h"
#include "shim/complete_command.h"
#include "shim/daemon_command.h"
#include "shim/directories.h"
#include "shim/doctor_command.h"
#include "shim/exit_code.h"
#include "shim/output.h"
#include "shim/report_command.h"
#include "shim/run_command.h"

namespace {

// A closed stdin, stdout or stderr (`vt >&-`) must not become the number of our
// socket.
void FillStandardDescriptors() {
  pollfd standard[3] = {{0, 0, 0}, {1, 0, 0}, {2, 0, 0}};
  if (::poll(standard, 3, 0) <= 0) {
    return;
  }
  for (const pollfd& entry : standard) {
    if ((entry.revents & POLLNVAL) != 0 && ::open("/dev/null", O_RDWR) < 0) {
      ::_exit(vt::shim::kExitFailed);
    }
  }
}

// Whether the program was called by a name that is short for `vt run`.
bool IsRun(const char* name) {
  const absl::string_view program = vt::base::Basename(name);
  return program == "vtr" || program == "vpr";
}

int Main(int argc, char** argv) {
  // `vt -C DIR …`, as `vp` has it; behind `vtr` it is a flag of `vt run`.
  if (argc > 1 && std::strcmp(argv[1], "-C") == 0 && !IsRun(argv[0])) {
    if (argc < 3) {
      vt::shim::Complain("-C needs a directory");
      return vt::shim::kExitUsage;
    }
    if (::chdir(argv[2]) != 0) {
      vt::shim::Complain("-C: `" + std::string(argv[2]) +
                         "`: " + std::strerror(errno));
      return vt::shim::kExitUsage;
    }
    argv[2] = argv[0];
    argv += 2;
    argc -= 2;
  }
  // `vtr daemon` is a task of that name.
  const bool is_run = IsRun(argc > 0 ? argv[0] : "");
  std::string word = argc > 1 ? argv[1] : "";
  char help[] = "--help";
  if (!is_run && word == "help" && argc == 3 && argv[2][0] != '-') {
    // `vt help X` is `vt X --help`, whoever answers that.
    word = argv[2];
    argv[1] = argv[2];
    argv[2] = help;
  }
  const std::string command = is_run && word != "__complete" ? "" : word;
  if (word == "--version") {
    const std::string text = std::string("vt ") + vt::base::Version() +
                             " (build " +
                             std::to_string(vt::base::BuildStamp()) + ")\n";
    return ::write(STDOUT_FILENO, text.data(), text.size()) > 0
               ? vt::shim::kExitOk
               : vt::shim::kExitFailed;
  }
  if (command == "completion") {
    return vt::shim::CompletionCommand(argc, argv);
  }
  if (command == "report") {
    return vt::shim::ReportCommand(argc, argv);
  }
  vt::shim::Directories directories;
  const auto env = [](const char* name) -> const char* {
    return std::getenv(name);
  };
  if (const auto failure =
          vt::shim::ResolveDirectories(env, ::geteuid(), &directories)) {
    vt::shim::Complain(failure->message);
    return failure->exit_code;
  }
  if (command == "cache" && argc == 3 && absl::string_view(argv[2]) == "path") {
    // Where it lies is known without a daemon.
    vt::shim::Print(STDOUT_FILENO, directories.cache + "\n");
    return vt::shim::kExitOk;
  }
  if (command == "__complete") {
    return vt::shim::CompleteCommand(argc, argv, directories);
  }
  if (command == "daemon") {
    return vt::shim::DaemonCommand(argc, argv, directories);
  }
  if (command == "doctor") {
    return vt::shim::DoctorCommand(argc, argv, directories);
  }
  return vt::shim::RunCommand(argc, argv, directories, /*keeper=*/"");
}

}  // namespace

int main(int argc, char** argv) {
  FillStandardDescriptors();
  // No destructors of globals: the kernel is faster.
  ::_exit(Main(argc, argv));
}
