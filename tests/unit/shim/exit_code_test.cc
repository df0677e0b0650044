// SPDX-License-Identifier: Apache-2.0

#include "shim/exit_code.h"

#include <signal.h>
#include <sys/wait.h>

#include <gtest/gtest.h>

namespace vt::shim {
namespace {

TEST(ExitCodeTest, CodesOutOfRangeAreFailures) {
  EXPECT_EQ(ToProcessExitCode(0), 0);
  EXPECT_EQ(ToProcessExitCode(255), 255);
  EXPECT_EQ(ToProcessExitCode(256), 1);
  EXPECT_EQ(ToProcessExitCode(-1), 1);
}

TEST(ExitCodeTest, ADaemonThatIsUnavailableIs69AndABugIs70) {
  EXPECT_EQ(FailureOfStatus(14, "gone", false).exit_code, 69);
  EXPECT_EQ(FailureOfStatus(13, "oops", false).exit_code, 70);
  EXPECT_EQ(FailureOfStatus(2, "oops", false).exit_code, 70);
  EXPECT_EQ(FailureOfStatus(3, "bad request", false).message, "bad request");
}

TEST(ExitCodeTest, CancelledAfterASignalIsAnInterruption) {
  EXPECT_EQ(FailureOfStatus(1, "", true).exit_code, 130);
  EXPECT_EQ(FailureOfStatus(1, "", true).message, "");
  EXPECT_EQ(FailureOfStatus(1, "", false).exit_code, 69);
}

TEST(ExitCodeTest, ASignalIs128More) {
  EXPECT_EQ(CodeOfWaitStatus(W_EXITCODE(33, 0)), 33);
  EXPECT_EQ(CodeOfWaitStatus(SIGTERM), 143);
}

TEST(ExitCodeTest, TheShimDiesByItsTasksCtrlCIfNothingElseFailed) {
  EXPECT_EQ(SignalToDieBy(SIGINT, 130), SIGINT);
  EXPECT_EQ(SignalToDieBy(SIGINT, 1), std::nullopt);
  EXPECT_EQ(SignalToDieBy(SIGSEGV, 139), std::nullopt);
  EXPECT_EQ(SignalToDieBy(SIGTERM, 143), std::nullopt);
  EXPECT_EQ(SignalToDieBy(W_EXITCODE(130, 0), 130), std::nullopt);
}

}  // namespace
}  // namespace vt::shim
