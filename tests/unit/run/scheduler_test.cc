// SPDX-License-Identifier: Apache-2.0

#include "daemon/run/scheduler.h"

#include <cstdint>
#include <set>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace vt::run {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

TEST(SchedulerTest, StartsInPlanOrderUpToTheLimit) {
  Scheduler scheduler({{}, {}, {}}, /*limit=*/2);
  EXPECT_THAT(scheduler.TakeReady(), ElementsAre(0, 1));
  EXPECT_THAT(scheduler.TakeReady(), IsEmpty());
  scheduler.Succeeded(0);
  EXPECT_THAT(scheduler.TakeReady(), ElementsAre(2));
}

TEST(SchedulerTest, DependentWaitsForEveryDependency) {
  Scheduler scheduler({{}, {}, {0, 1}}, /*limit=*/0);
  EXPECT_THAT(scheduler.TakeReady(), ElementsAre(0, 1));
  scheduler.Succeeded(1);
  EXPECT_THAT(scheduler.TakeReady(), IsEmpty());
  scheduler.Succeeded(0);
  EXPECT_THAT(scheduler.TakeReady(), ElementsAre(2));
  EXPECT_FALSE(scheduler.is_finished());
  scheduler.Succeeded(2);
  EXPECT_TRUE(scheduler.is_finished());
}

TEST(SchedulerTest, DependentsOfAFailureNeverStartAndOthersDo) {
  Scheduler scheduler({{}, {}, {0}, {2}, {1}}, /*limit=*/2);
  EXPECT_THAT(scheduler.TakeReady(), ElementsAre(0, 1));
  scheduler.Failed(0);
  scheduler.Succeeded(1);
  EXPECT_THAT(scheduler.TakeReady(), ElementsAre(4));
  EXPECT_FALSE(scheduler.is_finished());
  scheduler.Succeeded(4);
  EXPECT_TRUE(scheduler.is_finished());
}

TEST(SchedulerTest, NothingStartsAfterStop) {
  Scheduler scheduler({{}, {}, {1}}, /*limit=*/2);
  EXPECT_THAT(scheduler.TakeReady(), ElementsAre(0, 1));
  scheduler.Failed(0);
  scheduler.Stop();
  scheduler.Succeeded(1);
  EXPECT_THAT(scheduler.TakeReady(), IsEmpty());
  EXPECT_TRUE(scheduler.is_finished());
}

TEST(SchedulerTest, StoppedBeforeTheStartIsFinished) {
  Scheduler scheduler({{}}, /*limit=*/1);
  scheduler.Stop();
  EXPECT_THAT(scheduler.TakeReady(), IsEmpty());
  EXPECT_TRUE(scheduler.is_finished());
}

TEST(SchedulerTest, TheHeadOfTheLongestChainStartsFirst) {
  // 0 alone takes 5; 1 is quick, but 3 and 4 wait for it; 2 takes 2.
  Scheduler scheduler({{}, {}, {}, {1}, {3}}, /*limit=*/2, {5, 1, 2, 3, 4});
  EXPECT_THAT(scheduler.TakeReady(), ElementsAre(1, 0));
  scheduler.Succeeded(1);
  EXPECT_THAT(scheduler.TakeReady(), ElementsAre(3));
  scheduler.Succeeded(0);
  EXPECT_THAT(scheduler.TakeReady(), ElementsAre(2));
}

// Plays a plan with a clock of its own; returns when the last task ends.
int64_t Makespan(Scheduler scheduler, const std::vector<int64_t>& costs) {
  std::set<std::pair<int64_t, int>> ends;
  int64_t now = 0;
  while (!scheduler.is_finished()) {
    for (const int task : scheduler.TakeReady()) {
      ends.emplace(now + costs[static_cast<size_t>(task)], task);
    }
    now = ends.begin()->first;
    scheduler.Succeeded(ends.begin()->second);
    ends.erase(ends.begin());
  }
  return now;
}

TEST(SchedulerTest, KnownDurationsShortenTheRun) {
  // Four short tasks, then a chain of three long ones.
  const std::vector<std::vector<int>> depends_on = {{}, {},  {}, {},
                                                    {}, {4}, {5}};
  const std::vector<int64_t> costs = {10, 10, 10, 10, 20, 20, 20};
  EXPECT_EQ(Makespan(Scheduler(depends_on, 2), costs), 80);
  EXPECT_EQ(Makespan(Scheduler(depends_on, 2, costs), costs), 60);
}

TEST(SchedulerTest, AnUnknownDurationCountsAsTheMean) {
  Scheduler scheduler({{}, {}, {}}, /*limit=*/2, {1, 0, 9});
  EXPECT_THAT(scheduler.TakeReady(), ElementsAre(2, 1));
}

TEST(SchedulerTest, EqualChainsAndNoDurationsKeepThePlanOrder) {
  EXPECT_THAT(Scheduler({{}, {}, {}}, 3, {7, 7, 7}).TakeReady(),
              ElementsAre(0, 1, 2));
  EXPECT_THAT(Scheduler({{}, {}, {}}, 3, {0, 0, 0}).TakeReady(),
              ElementsAre(0, 1, 2));
}

TEST(SchedulerTest, OneAtATimeKeepsThePlanOrder) {
  Scheduler scheduler({{}, {}}, /*limit=*/1, {1, 9});
  EXPECT_THAT(scheduler.TakeReady(), ElementsAre(0));
}

}  // namespace
}  // namespace vt::run
