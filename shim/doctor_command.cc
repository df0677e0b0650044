// SPDX-License-Identifier: Apache-2.0

#include "shim/doctor_command.h"

#include <sys/utsname.h>
#include <unistd.h>

#include <cstdlib>
#include <optional>
#include <utility>
#include <vector>

#include "absl/strings/string_view.h"

#include "daemon/base/unique_fd.h"
#include "daemon/base/version.h"
#include "shim/connect.h"
#include "shim/doctor_checks.h"
#include "shim/exit_code.h"
#include "shim/output.h"
#include "shim/transport.h"

namespace vt::shim {
namespace {

constexpr char kHelp[] =
    "Checks whether this machine has what vt needs.\n"
    "\n"
    "Usage: vt doctor [--json]\n"
    "\n"
    "Looks at versions, tracing, endpoints of tools, directories, limits and\n"
    "Node. Exit code 1 if something does not work; warnings do not count.\n"
    "\n"
    "Options:\n"
    "      --json  One JSON object on one line\n"
    "  -h, --help  Print help\n";

constexpr int kAnswerMs = 10'000;

Check DescribeVersion() {
  utsname kernel = {};
  ::uname(&kernel);
  return {"version", Check::State::kOk,
          "vt " + std::string(base::Version()) + " (build " +
              std::to_string(base::BuildStamp()) + "), " + kernel.sysname +
              " " + kernel.release + " " + kernel.machine,
          ""};
}

// The daemon is asked what it is; a machine where it cannot be started is told
// why.
std::vector<Check> AskDaemon(const Directories& directories) {
  base::UniqueFd socket;
  MaybeFailure failure = ConnectOrStart(directories, std::nullopt, &socket);
  vtask::v1::StatusResponse status;
  if (!failure.has_value()) {
    failure = CallUnary(std::move(socket), "/vtask.v1.Daemon/Status",
                        vtask::v1::StatusRequest(), &status, kAnswerMs);
  }
  if (failure.has_value()) {
    return {{"daemon", Check::State::kProblem, failure->message,
             "its log is " + directories.Log()}};
  }
  return CheckDaemon(status);
}

std::vector<Check> CheckAll(const Directories& directories) {
  const uid_t uid = ::geteuid();
  std::vector<Check> checks = {DescribeVersion()};
  for (Check& check : AskDaemon(directories)) {
    checks.push_back(std::move(check));
  }
  // The daemon has made them by now, if it could.
  checks.push_back(CheckEndpoints(directories.runtime));
  checks.push_back(
      CheckDirectory("runtime dir", directories.runtime, uid, true));
  checks.push_back(CheckDirectory("cache dir", directories.cache, uid, false));
  checks.push_back(CheckDirectory("state dir", directories.state, uid, false));
  checks.push_back(CheckInotify("/proc/sys/fs/inotify"));
  checks.push_back(CheckDescriptors());
  checks.push_back(CheckNode(std::getenv("PATH")));
  return checks;
}

}  // namespace

int DoctorCommand(int argc, char** argv, const Directories& directories) {
  bool json = false;
  for (int i = 2; i < argc; ++i) {
    const absl::string_view argument = argv[i];
    if (argument == "--help" || argument == "-h") {
      Print(STDOUT_FILENO, kHelp);
      return kExitOk;
    }
    if (argument != "--json") {
      Print(STDERR_FILENO, "error: unexpected argument '" +
                               std::string(argument) +
                               "' found\n\nFor more information, try "
                               "'--help'.\n");
      return kExitUsage;
    }
    json = true;
  }
  const std::vector<Check> checks = CheckAll(directories);
  Print(STDOUT_FILENO, json ? ChecksJson(checks) : DescribeChecks(checks));
  return AllWork(checks) ? kExitOk : kExitFailed;
}

}  // namespace vt::shim
