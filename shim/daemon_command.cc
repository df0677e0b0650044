// SPDX-License-Identifier: Apache-2.0

#include "shim/daemon_command.h"

#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "absl/strings/string_view.h"

#include "daemon/base/unique_fd.h"
#include "shim/connect.h"
#include "shim/exit_code.h"
#include "shim/output.h"
#include "shim/run_command.h"
#include "shim/transport.h"

namespace vt::shim {
namespace {

constexpr char kHelp[] =
    "Starts, shows or stops the background process of vt.\n"
    "\n"
    "Usage: vt daemon <COMMAND>\n"
    "\n"
    "Commands:\n"
    "  start         Start it, if it does not run\n"
    "  status        Show what it is and does; exit code 3 if it does not run\n"
    "  stop          Let it finish what it runs, then end it\n"
    "  stop --now    Cancel what it runs, and end it\n"
    "\n"
    "vt starts the daemon by itself when it is needed. Nothing is lost by\n"
    "stopping it.\n";

constexpr int kAnswerMs = 10'000;

int Report(const Failure& failure) {
  Complain(failure.message);
  return failure.exit_code;
}

int64_t NowUs() {
  timespec now = {};
  ::clock_gettime(CLOCK_REALTIME, &now);
  return int64_t{now.tv_sec} * 1000000 + now.tv_nsec / 1000;
}

MaybeFailure AskStatus(base::UniqueFd socket,
                       vtask::v1::StatusResponse* status) {
  return CallUnary(std::move(socket), "/vtask.v1.Daemon/Status",
                   vtask::v1::StatusRequest(), status, kAnswerMs);
}

int Start(const Directories& directories) {
  if (directories.one_shot) {
    return Report({kExitUsage,
                   "VT_DAEMON=off: no daemon outlives its command; unset it "
                   "to start one"});
  }
  // Twice: one that is being killed may still have taken the first call.
  MaybeFailure failure;
  vtask::v1::StatusResponse status;
  for (int i = 0; i == 0 || (failure && i < 2); ++i) {
    base::UniqueFd socket;
    failure = ConnectOrStart(directories, std::nullopt, &socket);
    if (!failure) {
      failure = AskStatus(std::move(socket), &status);
    }
  }
  if (failure) {
    return Report(*failure);
  }
  Print(STDOUT_FILENO, "vtaskd " + status.version() + " runs, pid " +
                           std::to_string(status.pid()) + "\n");
  return kExitOk;
}

int Status(const Directories& directories) {
  base::UniqueFd socket = ConnectToRunning(directories);
  if (!socket.is_valid()) {
    Print(STDOUT_FILENO, "vtaskd does not run\n");
    return kExitNotRunning;
  }
  vtask::v1::StatusResponse status;
  if (MaybeFailure failure = AskStatus(std::move(socket), &status)) {
    return Report(*failure);
  }
  Print(STDOUT_FILENO, DescribeStatus(status, NowUs()));
  return kExitOk;
}

int Stop(const Directories& directories, bool now) {
  base::UniqueFd socket = ConnectToRunning(directories);
  if (!socket.is_valid()) {
    return kExitOk;
  }
  vtask::v1::ShutdownRequest request;
  request.set_now(now);
  vtask::v1::ShutdownResponse response;
  if (MaybeFailure failure =
          CallUnary(std::move(socket), "/vtask.v1.Daemon/Shutdown", request,
                    &response, kAnswerMs)) {
    return Report(*failure);
  }
  const auto pid = static_cast<pid_t>(response.pid());
  if (pid <= 0 || WaitForEnd(pid)) {
    return kExitOk;
  }
  Complain("vtaskd (pid " + std::to_string(pid) +
           ") takes no new work but still runs " +
           std::to_string(response.running()) +
           (now ? " tasks" : " tasks; `vt daemon stop --now` cancels them"));
  return kExitFailed;
}

// A line for each, in columns.
std::string DescribeSettings(const vtask::v1::StatusResponse& status) {
  std::string text = "settings  " + status.settings_file() + "\n";
  size_t keys = 0;
  size_t values = 0;
  for (const auto& setting : status.settings()) {
    keys = std::max(keys, setting.key().size());
    values = std::max(values, setting.value().size());
  }
  for (const auto& setting : status.settings()) {
    const std::string& origin = setting.origin();
    const std::string& file = status.settings_file();
    // Of the file only the line: its name stands above.
    const bool is_of_file = origin.rfind(file + ":", 0) == 0;
    text +=
        "  " + setting.key() +
        std::string(keys + 2 - setting.key().size(), ' ') + setting.value() +
        std::string(values + 2 - setting.value().size(), ' ') +
        (is_of_file ? "line " + origin.substr(file.size() + 1) : origin) + "\n";
  }
  return text;
}

}  // namespace

int DaemonCommand(int argc, char** argv, const Directories& directories) {
  const absl::string_view command = argc > 2 ? argv[2] : "";
  const absl::string_view option = argc > 3 ? argv[3] : "";
  const bool alone = argc == 3;
  if (command == "--help" || command == "-h" || option == "--help" ||
      option == "-h") {
    Print(STDOUT_FILENO, kHelp);
    return kExitOk;
  }
  if (command == "start" && alone) {
    return Start(directories);
  }
  if (command == "status" && alone) {
    return Status(directories);
  }
  if (command == "stop" && (alone || (argc == 4 && option == "--now"))) {
    return Stop(directories, /*now=*/!alone);
  }
  std::string text = kHelp;
  if (!command.empty()) {
    text = "error: unexpected argument '" +
           std::string(argc > 3 ? argv[argc - 1] : argv[2]) +
           "'\n\nFor more information, try '--help'.\n";
  }
  static_cast<void>(::write(STDERR_FILENO, text.data(), text.size()) == 0);
  return kExitUsage;
}

std::string DescribeStatus(const vtask::v1::StatusResponse& status,
                           int64_t now_us) {
  const auto since = [now_us](int64_t then_us) {
    return DescribeDuration((now_us - then_us) / 1000000);
  };
  std::string text = "vtaskd " + status.version() + " (build " +
                     std::to_string(status.build()) + ") runs\n";
  text += "pid       " + std::to_string(status.pid()) + "\n";
  text += "uptime    " + since(status.started_unix_us()) + "\n";
  text += "cache     " + status.cache_directory() + "\n";
  text += "socket    " + status.socket() + "\n";
  text += "tracking  tier " + status.tracking_tier() + "\n";
  text += DescribeSettings(status);
  text += "watches   " + std::to_string(status.watches()) + " (" +
          std::to_string(status.known_runs()) + " runs answered by them)\n";
  text += "runs      " + std::to_string(status.runs_size()) + "\n";
  for (const vtask::v1::RunInfo& run : status.runs()) {
    text += "  " + run.workspace_root() + ":";
    for (const std::string& arg : run.argv()) {
      text += " " + arg;
    }
    text += " (" + since(run.started_unix_us()) + ")\n";
  }
  text += status.health().empty() ? "health    good\n" : "health\n";
  for (const std::string& problem : status.health()) {
    text += "  " + problem + "\n";
  }
  return text;
}

std::string DescribeDuration(int64_t seconds) {
  const auto part = [](int64_t count, const char* unit) {
    return std::to_string(count) + " " + unit;
  };
  const int64_t minutes = seconds / 60;
  const int64_t hours = minutes / 60;
  if (minutes == 0) {
    return part(seconds < 0 ? 0 : seconds, "s");
  }
  if (hours == 0) {
    return part(minutes, "min");
  }
  if (hours < 24) {
    return part(hours, "h ") + part(minutes % 60, "min");
  }
  return part(hours / 24, "d ") + part(hours % 24, "h");
}

}  // namespace vt::shim
