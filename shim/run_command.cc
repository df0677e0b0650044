// SPDX-License-Identifier: Apache-2.0

#include "shim/run_command.h"

#include <poll.h>
#include <unistd.h>

#include <optional>
#include <utility>

#include "shim/caller.h"
#include "shim/connect.h"
#include "shim/exit_code.h"
#include "shim/failure.h"
#include "shim/relay.h"
#include "shim/signals.h"
#include "vtask/v1/daemon.pb.h"

namespace vt::shim {
namespace {

// How often a daemon may end before it has begun with our call: one that was
// just leaving when we connected.
constexpr int kMaxRetries = 2;
// How many older daemons may give way to one command.
constexpr int kMaxReplacements = 2;
constexpr int kComplaintMs = 1000;

int Report(const Failure& failure) {
  Complain(failure.message);
  return failure.exit_code;
}

// How this process is to end.
struct Ending {
  int exit_code = kExitOk;
  std::optional<int> die_by;  // a signal
};

// `started`: the daemon that was started for it, or 0.
Ending Converse(const Directories& directories, const std::string& keeper,
                vtask::v1::RunStart start, pid_t* started) {
  std::optional<Replaced> replaced;
  int retries = 0;
  int replacements = 0;
  for (;;) {
    base::UniqueFd socket;
    if (MaybeFailure failure =
            ConnectOrStart(directories, replaced, &socket, started)) {
      return {Report(*failure), std::nullopt};
    }
    RelayResult result = Relay(std::move(socket), keeper).Run(start);
    switch (result.end) {
      case RelayResult::End::kExit:
        return {result.exit_code, result.die_by};
      case RelayResult::End::kFailed:
        return {Report(result.failure), std::nullopt};
      case RelayResult::End::kNotProcessed:
        if (++retries > kMaxRetries) {
          return {Report({kExitUnavailable,
                          "the daemon ends before it answers; "
                          "its log is `" +
                              directories.Log() + "`"}),
                  std::nullopt};
        }
        replaced.reset();
        break;
      case RelayResult::End::kReplace:
        if (++replacements > kMaxReplacements) {
          return {Report({kExitUnavailable,
                          "vtaskd " + result.replaced.version +
                              " is older than this vt and does not give way; "
                              "end it with `vt daemon stop --now`"}),
                  std::nullopt};
        }
        if (replacements == kMaxReplacements) {
          // Its successor, which we have started, is as old. It serves us all
          // the same if we do not say who we are (decisions H20).
          Complain(
              "the vtaskd beside this vt is older than it; install both "
              "from one build");
          start.set_client_build(0);
        }
        replaced = std::move(result.replaced);
        break;
    }
  }
}

}  // namespace

int RunCommand(int argc, char** argv, const Directories& directories,
               const std::string& keeper) {
  vtask::v1::RunStart start;
  if (MaybeFailure failure = DescribeCaller(argc, argv, &start)) {
    return Report(*failure);
  }
  pid_t started = 0;
  const Ending ending =
      Converse(directories, keeper, std::move(start), &started);
  if (directories.one_shot && started > 0) {
    WaitForEnd(started);
  }
  if (ending.die_by.has_value()) {
    DieBy(*ending.die_by);
  }
  return ending.exit_code;
}

void Complain(const std::string& message) {
  if (message.empty()) {
    return;
  }
  const std::string line = "vt: " + message + "\n";
  // A message nobody can read (a stopped pager, Ctrl-S) must not keep us.
  pollfd wait = {STDERR_FILENO, POLLOUT, 0};
  if (::poll(&wait, 1, kComplaintMs) == 0) {
    return;
  }
  static_cast<void>(::write(STDERR_FILENO, line.data(), line.size()) == 0);
}

}  // namespace vt::shim
