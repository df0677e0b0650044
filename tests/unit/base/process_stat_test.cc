// SPDX-License-Identifier: Apache-2.0

#include "daemon/base/process_stat.h"

#include <unistd.h>

#include "gtest/gtest.h"

namespace vt::base {
namespace {

TEST(ProcessStatTest, NamesWithSpacesAndParenthesesParse) {
  const auto stat = ParseProcessStat(
      "12 (a) R b) S 3 4 5 0 -1 4194304 1 2 3 4 5 6 7 8 20 0 1 0 98765 10 11");
  ASSERT_TRUE(stat.has_value());
  EXPECT_EQ(stat->pid, 12);
  EXPECT_EQ(stat->state, 'S');
  EXPECT_EQ(stat->parent, 3);
  EXPECT_EQ(stat->group, 4);
  EXPECT_EQ(stat->session, 5);
  EXPECT_EQ(stat->start, 98765U);
}

TEST(ProcessStatTest, OtherTextsAreNone) {
  for (const char* bad : {"", "12", "12 (x)", "12 (x) S 3", "12 (x) S 3 4 5",
                          "x (x) S 3 4 5 0 -1 0 1 2 3 4 5 6 7 8 20 0 1 0 9"}) {
    EXPECT_FALSE(ParseProcessStat(bad).has_value()) << bad;
  }
}

TEST(ProcessStatTest, OurOwnIsRead) {
  const auto stat = ReadProcessStat(::getpid());
  ASSERT_TRUE(stat.has_value());
  EXPECT_EQ(stat->pid, ::getpid());
  EXPECT_EQ(stat->parent, ::getppid());
  EXPECT_EQ(stat->session, ::getsid(0));
  EXPECT_NE(stat->start, 0U);
  EXPECT_FALSE(ReadProcessStat(0).has_value());
}

}  // namespace
}  // namespace vt::base
