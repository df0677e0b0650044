// SPDX-License-Identifier: Apache-2.0

#include "shim/daemon_command.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace vt::shim {
namespace {

TEST(DaemonCommandTest, DurationsReadWell) {
  EXPECT_EQ(DescribeDuration(-5), "0 s");
  EXPECT_EQ(DescribeDuration(59), "59 s");
  EXPECT_EQ(DescribeDuration(60), "1 min");
  EXPECT_EQ(DescribeDuration(3 * 3600 + 20 * 60), "3 h 20 min");
  EXPECT_EQ(DescribeDuration(49 * 3600), "2 d 1 h");
}

TEST(DaemonCommandTest, StatusShowsRunsAndProblems) {
  vtask::v1::StatusResponse status;
  status.set_version("0.1.0");
  status.set_pid(41);
  status.set_started_unix_us(0);
  status.set_tracking_tier("2 (kernel 6.1)");
  vtask::v1::RunInfo* run = status.add_runs();
  run->set_workspace_root("/w");
  run->add_argv("vt");
  run->add_argv("run");
  status.add_health("the store is read-only: free some space");
  const std::string text = DescribeStatus(status, 61'000'000);
  EXPECT_THAT(text, testing::HasSubstr("pid       41\n"));
  EXPECT_THAT(text, testing::HasSubstr("uptime    1 min\n"));
  EXPECT_THAT(text, testing::HasSubstr("tier 2 (kernel 6.1)\n"));
  EXPECT_THAT(text, testing::HasSubstr("  /w: vt run (1 min)\n"));
  EXPECT_THAT(text, testing::HasSubstr("  the store is read-only"));
}

}  // namespace
}  // namespace vt::shim
