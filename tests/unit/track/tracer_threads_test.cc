// SPDX-License-Identifier: Apache-2.0

#include "daemon/track/tracer_threads.h"

#include <pthread.h>
#include <unistd.h>

#include <csignal>
#include <future>
#include <memory>
#include <set>

#include <gtest/gtest.h>

#include "tests/support/status_matchers.h"

namespace vt::track {
namespace {

using vt::test::IsOk;

// Which thread ran it.
pid_t RunOn(TracerThreads* threads) {
  std::promise<pid_t> thread;
  EXPECT_THAT(threads->Start([&] { thread.set_value(::gettid()); }), IsOk());
  return thread.get_future().get();
}

// Starts work that lasts until `*end` is told; returns when it runs.
std::shared_future<void> Occupy(TracerThreads* threads,
                                std::shared_ptr<std::promise<void>> end) {
  auto begun = std::make_shared<std::promise<void>>();
  std::shared_future<void> runs = begun->get_future().share();
  EXPECT_THAT(threads->Start([begun, end] {
    begun->set_value();
    end->get_future().wait();
  }),
              IsOk());
  return runs;
}

TEST(TracerThreadsTest, AThreadIsUsedAgain) {
  TracerThreads threads(1, absl::Hours(1));
  constexpr int kWorks = 100;
  // The end of a work may still be on the way when the next one comes, for
  // which another thread is made then; either of the two may stay.
  std::set<pid_t> used;
  for (int i = 0; i < kWorks; ++i) {
    used.insert(RunOn(&threads));
  }
  EXPECT_LT(used.size(), size_t{kWorks});
  EXPECT_EQ(used.count(::gettid()), 0U);
}

TEST(TracerThreadsTest, WorkNeverWaitsForOtherWork) {
  TracerThreads threads(2, absl::Hours(1));
  for (int round = 0; round < 50; ++round) {
    auto end = std::make_shared<std::promise<void>>();
    // A hang here is the failure: the second would wait for the first.
    Occupy(&threads, end).wait();
    auto second = std::make_shared<std::promise<void>>();
    Occupy(&threads, second).wait();
    EXPECT_NE(RunOn(&threads), 0);
    end->set_value();
    second->set_value();
  }
}

TEST(TracerThreadsTest, WhatTheWorkHoldsIsLetGoOf) {
  TracerThreads threads(1, absl::Hours(1));
  auto held = std::make_shared<std::promise<void>>();
  std::weak_ptr<std::promise<void>> seen = held;
  std::future<void> done = held->get_future();
  ASSERT_THAT(threads.Start([held = std::move(held)] { held->set_value(); }),
              IsOk());
  done.wait();
  while (!seen.expired()) {
    ::usleep(100);
  }
}

TEST(TracerThreadsTest, ARestedThreadEnds) {
  TracerThreads threads(1, absl::Milliseconds(1));
  const pid_t first = RunOn(&threads);
  while (::tgkill(::getpid(), first, 0) == 0) {
    ::usleep(1000);
  }
  EXPECT_NE(RunOn(&threads), 0);
}

TEST(TracerThreadsTest, NoSignalIsTaken) {
  TracerThreads threads(1, absl::Hours(1));
  std::promise<bool> blocked;
  ASSERT_THAT(threads.Start([&] {
    sigset_t set;
    ::pthread_sigmask(SIG_SETMASK, nullptr, &set);
    blocked.set_value(::sigismember(&set, SIGTERM) == 1 &&
                      ::sigismember(&set, SIGCHLD) == 1);
  }),
              IsOk());
  EXPECT_TRUE(blocked.get_future().get());
}

}  // namespace
}  // namespace vt::track
