// SPDX-License-Identifier: Apache-2.0

#include "daemon/run/in_flight.h"

#include <memory>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace vt::run {
namespace {

using testing::ElementsAre;

TEST(InFlightTest, SecondRequestWaitsForTheFirst) {
  InFlight in_flight;
  std::vector<ActionId> turns;
  EXPECT_TRUE(in_flight.Acquire("k", 1, {}, [](const KnownHitPtr&) {}));
  EXPECT_FALSE(in_flight.Acquire(
      "k", 2, {}, [&](const KnownHitPtr&) { turns.push_back(2); }));
  EXPECT_FALSE(in_flight.Acquire(
      "k", 3, {}, [&](const KnownHitPtr&) { turns.push_back(3); }));
  EXPECT_TRUE(in_flight.Acquire("other", 4, {}, [](const KnownHitPtr&) {}));
  in_flight.Release("k", 1);
  EXPECT_THAT(turns, ElementsAre(2));
  EXPECT_EQ(in_flight.Holder("k"), 2u);
  in_flight.Release("k", 2);
  EXPECT_THAT(turns, ElementsAre(2, 3));
}

TEST(InFlightTest, WaiterThatLeavesIsNotCalled) {
  InFlight in_flight;
  bool called = false;
  in_flight.Acquire("k", 1, {}, [](const KnownHitPtr&) {});
  in_flight.Acquire("k", 2, {}, [&](const KnownHitPtr&) { called = true; });
  in_flight.Release("k", 2);
  in_flight.Release("k", 1);
  EXPECT_FALSE(called);
  EXPECT_EQ(in_flight.Holder("k"), 0u);
}

TEST(InFlightTest, WhatCameOfItIsToldToThoseWhoWaitedWhenItBegan) {
  const auto outcome = std::make_shared<const KnownHit>();
  InFlight in_flight;
  std::vector<KnownHitPtr> told;
  const InFlight::Then note = [&](const KnownHitPtr& what) {
    told.push_back(what);
  };
  in_flight.Acquire("k", 1, {}, note);
  in_flight.Acquire("k", 2, {}, note);
  in_flight.Acquire("k", 3, {}, note);
  in_flight.Begin("k");
  in_flight.Acquire("k", 4, {}, note);
  in_flight.Release("k", 1, outcome);
  in_flight.Release("k", 2);
  in_flight.Release("k", 3, outcome);
  EXPECT_THAT(told, ElementsAre(outcome, nullptr, nullptr));
}

// Decisions H2: `a` runs `b`, whose key another run holds, which runs `a`.
TEST(InFlightTest, SeesThatWaitingWouldNeverEnd) {
  InFlight in_flight;
  constexpr ActionId kA = 1, kInsideA = 2, kB = 3, kInsideB = 4;
  in_flight.Acquire("a", kA, {}, [](const KnownHitPtr&) {});
  EXPECT_TRUE(in_flight.WouldDeadlock("a", {kA}));
  EXPECT_FALSE(in_flight.WouldDeadlock("a", {kB}));
  EXPECT_FALSE(in_flight.WouldDeadlock("free", {kA}));
  in_flight.Acquire("b", kB, {}, [](const KnownHitPtr&) {});
  EXPECT_FALSE(in_flight.WouldDeadlock("b", {kA}));
  in_flight.Acquire("b", kInsideA, {kA}, [](const KnownHitPtr&) {});
  EXPECT_TRUE(in_flight.WouldDeadlock("a", {kB}));
  in_flight.Release("b", kInsideA);
  EXPECT_FALSE(in_flight.WouldDeadlock("a", {kB}));
  // Over a third one.
  constexpr ActionId kC = 5, kInsideC = 6;
  in_flight.Acquire("c", kC, {}, [](const KnownHitPtr&) {});
  in_flight.Acquire("c", kInsideB, {kB}, [](const KnownHitPtr&) {});
  in_flight.Acquire("a", kInsideC, {kC}, [](const KnownHitPtr&) {});
  EXPECT_TRUE(in_flight.WouldDeadlock("b", {kA}));
}

TEST(InFlightTest, TellsWhetherSomebodyInsideOfAnActionWaits) {
  InFlight in_flight;
  in_flight.Acquire("k", 1, {}, [](const KnownHitPtr&) {});
  in_flight.Acquire("k", 2, {}, [](const KnownHitPtr&) {});
  EXPECT_FALSE(in_flight.IsAwaitedInside("k"));
  EXPECT_FALSE(in_flight.IsAwaitedInside("other"));
  in_flight.Acquire("k", 3, {9}, [](const KnownHitPtr&) {});
  EXPECT_TRUE(in_flight.IsAwaitedInside("k"));
}

}  // namespace
}  // namespace vt::run
