// SPDX-License-Identifier: Apache-2.0

#include "daemon/run/slots.h"

#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace vt::run {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

class SlotsTest : public testing::Test {
 protected:
  // Actions of run a are 1, 2, ..., of run b 11, 12, ...
  bool Acquire(ActionId id) {
    const char* const run = id > 20 ? &c_ : id > 10 ? &b_ : &a_;
    return slots_.Acquire(run, run == nested_, id,
                          [this, id] { served_.push_back(id); });
  }

  Slots slots_;
  std::vector<ActionId> served_;
  char a_ = 0, b_ = 0, c_ = 0;
  const char* nested_ = nullptr;  // runs inside of an action of another
};

TEST_F(SlotsTest, WithoutALimitEverybodyGetsOne) {
  for (ActionId id = 1; id < 10; ++id) {
    EXPECT_TRUE(Acquire(id));
  }
}

TEST_F(SlotsTest, TheLimitIsForAllRunsTogether) {
  slots_.SetLimit(3, /*soft=*/false);
  EXPECT_TRUE(Acquire(1));
  EXPECT_TRUE(Acquire(2));
  EXPECT_TRUE(Acquire(11));
  EXPECT_FALSE(Acquire(12));
  EXPECT_FALSE(Acquire(3));
  EXPECT_EQ(slots_.held(), 3);
}

TEST_F(SlotsTest, ANestedRunThatHoldsNothingNeverWaits) {
  slots_.SetLimit(1, /*soft=*/false);
  nested_ = &b_;
  EXPECT_TRUE(Acquire(1));
  EXPECT_TRUE(Acquire(11));
  EXPECT_FALSE(Acquire(12));
  EXPECT_FALSE(Acquire(21));
  slots_.Release(11);
  EXPECT_THAT(served_, ElementsAre(12));
  slots_.Release(12);
  EXPECT_THAT(served_, ElementsAre(12));
  slots_.Release(1);
  EXPECT_THAT(served_, ElementsAre(12, 21));
}

TEST_F(SlotsTest, AnotherRunWaitsForItsFirst) {
  slots_.SetLimit(2, /*soft=*/false);
  EXPECT_TRUE(Acquire(1));
  EXPECT_TRUE(Acquire(2));
  EXPECT_FALSE(Acquire(3));
  EXPECT_FALSE(Acquire(11));
  EXPECT_EQ(slots_.held(), 2);
  slots_.Release(2);  // it holds less
  EXPECT_THAT(served_, ElementsAre(11));
}

TEST_F(SlotsTest, WhoHoldsLessIsNext) {
  slots_.SetLimit(3, /*soft=*/false);
  Acquire(1);
  Acquire(2);
  Acquire(11);
  Acquire(3);
  Acquire(12);
  slots_.Release(2);  // now one each
  EXPECT_THAT(served_, ElementsAre(3));
  slots_.Release(1);
  EXPECT_THAT(served_, ElementsAre(3, 12));
}

TEST_F(SlotsTest, EqualRunsTakeTurns) {
  slots_.SetLimit(2, /*soft=*/false);
  Acquire(1);
  Acquire(11);
  for (const ActionId id : {2, 3, 4, 12, 13, 14}) {
    EXPECT_FALSE(Acquire(id));
  }
  std::vector<ActionId> ends = {1, 11};
  for (int i = 0; i < 6; ++i) {
    slots_.Release(ends[static_cast<size_t>(i)]);
    ends.push_back(served_.back());
  }
  EXPECT_THAT(served_, ElementsAre(2, 12, 3, 13, 4, 14));
}

TEST_F(SlotsTest, ALateRunIsServedBeforeTheBacklogOfAnother) {
  slots_.SetLimit(2, /*soft=*/false);
  Acquire(1);
  Acquire(2);
  Acquire(3);
  Acquire(4);
  Acquire(11);
  Acquire(12);
  slots_.Release(1);
  EXPECT_THAT(served_, ElementsAre(11));
  slots_.Release(2);  // a has none
  EXPECT_THAT(served_, ElementsAre(11, 3));
}

TEST_F(SlotsTest, ASoftLimitIsForSeveralRuns) {
  slots_.SetLimit(2, /*soft=*/true);
  EXPECT_TRUE(Acquire(1));
  EXPECT_TRUE(Acquire(2));
  EXPECT_TRUE(Acquire(3));
  EXPECT_TRUE(Acquire(11));
  EXPECT_FALSE(Acquire(4));
  EXPECT_FALSE(Acquire(12));
  slots_.Release(11);  // b holds nothing any more, and waits
  EXPECT_THAT(served_, ElementsAre(12));
  slots_.Release(12);  // a is alone again
  EXPECT_THAT(served_, ElementsAre(12, 4));
}

TEST_F(SlotsTest, AHigherLimitServesWhoWaits) {
  slots_.SetLimit(1, /*soft=*/false);
  Acquire(1);
  Acquire(2);
  Acquire(3);
  slots_.SetLimit(3, /*soft=*/false);
  EXPECT_THAT(served_, ElementsAre(2, 3));
}

TEST_F(SlotsTest, WhoIsAwaitedByAHolderIsServedAtOnce) {
  slots_.SetLimit(1, /*soft=*/false);
  Acquire(1);
  Acquire(2);
  Acquire(3);
  slots_.Hurry(3);
  EXPECT_THAT(served_, ElementsAre(3));
  slots_.Hurry(3);
  slots_.Hurry(77);
  slots_.Release(1);
  EXPECT_THAT(served_, ElementsAre(3));
  slots_.Release(3);
  EXPECT_THAT(served_, ElementsAre(3, 2));
}

TEST_F(SlotsTest, OneWhoLeavesTheQueueIsNotServed) {
  slots_.SetLimit(1, /*soft=*/false);
  Acquire(1);
  Acquire(2);
  Acquire(3);
  slots_.Release(2);
  slots_.Release(1);
  EXPECT_THAT(served_, ElementsAre(3));
}

TEST_F(SlotsTest, ReleasingTwiceIsReleasingOnce) {
  slots_.SetLimit(2, /*soft=*/false);
  Acquire(1);
  Acquire(2);
  Acquire(3);
  Acquire(4);
  slots_.Release(1);
  slots_.Release(1);
  EXPECT_THAT(served_, ElementsAre(3));
}

}  // namespace
}  // namespace vt::run
