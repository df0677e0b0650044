// SPDX-License-Identifier: Apache-2.0
//
// The exit codes of `vt` (decisions H21), and how the shim gets one from each
// way in which a run can end. This is a contract with scripts: never change a
// number.
//
//   0     done
//   1     planning: unknown task, cycle, program not found      (by the daemon)
//   2     configuration, flags, filter syntax
//   3     `vt daemon status`: no daemon runs
//   69    the daemon was lost, or could not be started
//   70    the daemon failed inside: a bug of ours
//   130   interrupted
//   else  the code of the task that failed first                (by the daemon)

#pragma once

#include <optional>
#include <string>

#include "shim/failure.h"

namespace vt::shim {

inline constexpr int kExitOk = 0;
inline constexpr int kExitFailed = 1;
inline constexpr int kExitUsage = 2;
inline constexpr int kExitNotRunning = 3;
inline constexpr int kExitUnavailable = 69;  // EX_UNAVAILABLE of sysexits.h
inline constexpr int kExitInternal = 70;     // EX_SOFTWARE
inline constexpr int kExitInterrupted = 130;

// What the end of a gRPC call with a status other than OK means for the user.
// `was_interrupted`: the user has sent a signal before.
Failure FailureOfStatus(int grpc_status, const std::string& message,
                        bool was_interrupted);

// The 8 bits that exit(3) can carry: codes out of range become 1, never 0.
int ToProcessExitCode(int code);

// 0..255 of a wait(2) status: the exit code, or 128 + the signal.
int CodeOfWaitStatus(int wait_status);

// The signal by which the shim itself should end, so that a shell sees what it
// would have seen of the task: the task died of it (`wait_status`, of the last
// task on the terminal), it is one that shells look at, and the daemon reported
// nothing else (`exit_code`). nullopt: exit normally.
std::optional<int> SignalToDieBy(int wait_status, int exit_code);

}  // namespace vt::shim
