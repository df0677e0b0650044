// SPDX-License-Identifier: Apache-2.0

#include "daemon/base/parallel.h"

#include <atomic>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"

#include "daemon/base/consulted.h"
#include "daemon/base/mutex.h"

namespace vt::base {
namespace {

TEST(ParallelForTest, EveryIndexIsWorkedOnOnce) {
  for (const size_t count : {0, 1, 7, 8, 9, 1000}) {
    std::vector<std::atomic<int>> seen(count);
    ParallelFor(count, 8, [&](size_t from, size_t to) {
      EXPECT_LE(to, count);
      for (size_t i = from; i < to; ++i) {
        ++seen[i];
      }
    });
    for (const std::atomic<int>& times : seen) {
      EXPECT_EQ(times, 1) << count;
    }
  }
}

TEST(ParallelForTest, PiecesRunAtTheSameTime) {
  if (std::thread::hardware_concurrency() < 2) {
    GTEST_SKIP() << "one processor";
  }
  // Each waits for the other: alone, a thread would stay for good.
  std::atomic<int> there{0};
  Mutex mutex;
  CondVar changed;
  ParallelFor(2, 1, [&](size_t /*from*/, size_t /*to*/) {
    MutexLock lock(&mutex);
    ++there;
    changed.SignalAll();
    while (there < 2) {
      changed.Wait(&mutex);
    }
  });
  EXPECT_EQ(there, 2);
}

TEST(ParallelForTest, WorkMayShareItsOwn) {
  std::atomic<int> sum{0};
  ParallelFor(16, 1, [&](size_t /*from*/, size_t /*to*/) {
    ParallelFor(100, 10, [&](size_t begin, size_t end) {
      sum += static_cast<int>(end - begin);
    });
  });
  EXPECT_EQ(sum, 1600);
}

TEST(ParallelForTest, ManyAskAtTheSameTime) {
  std::atomic<int> sum{0};
  std::vector<std::thread> threads;
  for (int n = 0; n < 8; ++n) {
    threads.emplace_back([&] {
      for (int i = 0; i < 200; ++i) {
        ParallelFor(64, 4, [&](size_t from, size_t to) {
          sum += static_cast<int>(to - from);
        });
      }
    });
  }
  for (std::thread& thread : threads) {
    thread.join();
  }
  EXPECT_EQ(sum, 8 * 200 * 64);
}

TEST(ParallelForTest, WhatOthersConsultIsNoted) {
  Consulted consulted;
  {
    const ConsultedScope scope(&consulted);
    ParallelFor(100, 1, [](size_t from, size_t /*to*/) {
      NoteConsulted(absl::StrCat("/", from), /*follows=*/false);
    });
  }
  EXPECT_EQ(consulted.paths.size(), 100U);
}

}  // namespace
}  // namespace vt::base
