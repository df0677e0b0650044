// SPDX-License-Identifier: Apache-2.0

#include "daemon/run/scheduler.h"

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

}  // namespace
}  // namespace vt::run
