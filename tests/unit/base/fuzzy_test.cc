// SPDX-License-Identifier: Apache-2.0

#include "daemon/base/fuzzy.h"

#include <optional>

#include <gmock/gmock.h>

namespace vt::base {
namespace {

TEST(FuzzyTest, FindsTheShortestPartThatHoldsTheLetters) {
  EXPECT_EQ(SubsequenceSpan("bd", "build"), 5);
  EXPECT_EQ(SubsequenceSpan("abc", "a-b-abc"), 3);
  EXPECT_EQ(SubsequenceSpan("BUILD", "lib#build"), 5);
  EXPECT_EQ(SubsequenceSpan("", "x"), 0);
}

TEST(FuzzyTest, OrderCounts) {
  EXPECT_EQ(SubsequenceSpan("ba", "ab"), std::nullopt);
  EXPECT_EQ(SubsequenceSpan("aa", "a"), std::nullopt);
  EXPECT_EQ(SubsequenceSpan("a", ""), std::nullopt);
}

}  // namespace
}  // namespace vt::base
