// SPDX-License-Identifier: Apache-2.0

#include "daemon/base/name_patterns.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace vt::base {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using Patterns = std::vector<std::string>;

TEST(NamePatternsTest, ExceptionsWinWhereverTheyStand) {
  const NamePatterns names(Patterns{"!AB", "A*", "[", "X"});
  EXPECT_TRUE(names.Matches("A"));
  EXPECT_TRUE(names.Matches("X"));
  EXPECT_FALSE(names.Matches("AB"));
  EXPECT_FALSE(names.Matches("B"));
  EXPECT_FALSE(NamePatterns(Patterns{}).Matches(""));
}

TEST(NamePatternsTest, AQueryLeavesOutWhatItDoesNotAskForByName) {
  const Patterns ambient = {"CI", "GITHUB_*", "GIT", "*_TOKEN", "P{A,B}"};
  EXPECT_THAT(LeftOutOfQuery("", ambient),
              ElementsAre("CI", "GITHUB_*", "GIT", "P{A,B}"));
  EXPECT_THAT(LeftOutOfQuery("G", ambient), ElementsAre("GITHUB_*", "GIT"));
  EXPECT_THAT(LeftOutOfQuery("GITHUB_", ambient), IsEmpty());
  EXPECT_THAT(LeftOutOfQuery("GITHUB_RUN", ambient), IsEmpty());
  EXPECT_THAT(LeftOutOfQuery("VITE_", ambient), IsEmpty());
}

TEST(NamePatternsTest, AHeadEndsAtTheFirstSpecialCharacter) {
  EXPECT_EQ(LiteralHead("AB*C"), "AB");
  EXPECT_EQ(LiteralHead("AB\\*"), "AB");
  EXPECT_EQ(LiteralHead("{A,B}"), "");
  EXPECT_EQ(LiteralHead("CI"), "CI");
  EXPECT_EQ(LiteralHead(""), "");
}

}  // namespace
}  // namespace vt::base
