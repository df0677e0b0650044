// SPDX-License-Identifier: Apache-2.0

#include "shim/exit_code.h"

#include <signal.h>
#include <sys/wait.h>

namespace vt::shim {
namespace {

// Codes of gRPC that this file tells apart (grpc/status.h; frozen there).
constexpr int kCancelled = 1;
constexpr int kUnknown = 2;
constexpr int kInternalError = 13;
constexpr int kUnavailableStatus = 14;
constexpr int kDataLoss = 15;

}  // namespace

Failure FailureOfStatus(int grpc_status, const std::string& message,
                        bool was_interrupted) {
  if (grpc_status == kCancelled && was_interrupted) {
    return {kExitInterrupted, ""};
  }
  const std::string text =
      message.empty() ? "status " + std::to_string(grpc_status) : message;
  switch (grpc_status) {
    case kUnknown:
    case kInternalError:
    case kDataLoss:
      return {kExitInternal, "the daemon failed: " + text};
    case kCancelled:
    case kUnavailableStatus:
      return {kExitUnavailable, "lost the daemon (" + text + ")"};
    default:
      return {kExitUnavailable, text};
  }
}

int ToProcessExitCode(int code) { return code >= 0 && code <= 255 ? code : 1; }

int CodeOfWaitStatus(int wait_status) {
  return WIFSIGNALED(wait_status) ? 128 + WTERMSIG(wait_status)
                                  : WEXITSTATUS(wait_status);
}

std::optional<int> SignalToDieBy(int wait_status, int exit_code) {
  if (!WIFSIGNALED(wait_status) || CodeOfWaitStatus(wait_status) != exit_code) {
    return std::nullopt;
  }
  const int number = WTERMSIG(wait_status);
  // A shell ends a loop around `vt` only if `vt` itself died of the Ctrl-C.
  // Others say something of the task, not of the user: 128 + n tells it.
  return number == SIGINT ? std::optional<int>(number) : std::nullopt;
}

}  // namespace vt::shim
