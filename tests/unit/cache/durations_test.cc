// SPDX-License-Identifier: Apache-2.0

#include "daemon/cache/durations.h"

#include <gtest/gtest.h>

namespace vt::cache {
namespace {

TEST(DurationsTest, KeepsTheLastOfEachPositionInEachRoot) {
  Durations durations;
  EXPECT_EQ(durations.Find("/w", "a"), std::nullopt);
  durations.Note("/w", "a", 5);
  durations.Note("/x", "a", 6);
  durations.Note("/w", "a", 7);
  EXPECT_EQ(durations.Find("/w", "a"), 7);
  EXPECT_EQ(durations.Find("/x", "a"), 6);
  EXPECT_EQ(durations.Find("/w", "b"), std::nullopt);
  durations.Clear();
  EXPECT_EQ(durations.Find("/w", "a"), std::nullopt);
}

}  // namespace
}  // namespace vt::cache
