// SPDX-License-Identifier: Apache-2.0

#include "daemon/lifecycle/daemon_lock.h"

#include <unistd.h>

#include <filesystem>
#include <optional>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "daemon/base/file.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temp_dir.h"

namespace vt::lifecycle {
namespace {

using test::StatusIs;
using testing::AllOf;
using testing::HasSubstr;

class DaemonLockTest : public testing::Test {
 protected:
  static LockHolder Self() { return {41, "/run/s", "1.2.3", 99, false}; }

  test::TempDir dir_;
  const std::string path_ = (dir_.path() / "daemon.lock").string();
};

TEST_F(DaemonLockTest, SaysWhoHoldsIt) {
  const auto lock = DaemonLock::Acquire(path_, Self(), absl::ZeroDuration());
  ASSERT_TRUE(lock.ok()) << lock.status();
  EXPECT_THAT(base::ReadFile(path_),
              test::IsOkAndHolds("41\n/run/s\n1.2.3\n99\n"));
}

TEST_F(DaemonLockTest, ASecondDaemonIsToldWhereTheFirstOneIs) {
  const auto lock = DaemonLock::Acquire(path_, Self(), absl::ZeroDuration());
  ASSERT_TRUE(lock.ok()) << lock.status();
  // Not even with patience: this one does not mean to go.
  EXPECT_THAT(DaemonLock::Acquire(path_, Self(), absl::Hours(1)),
              StatusIs(absl::StatusCode::kUnavailable,
                       AllOf(HasSubstr("41"), HasSubstr("/run/s"))));
}

TEST_F(DaemonLockTest, WhatACrashedDaemonLeftIsReplacedWhole) {
  ASSERT_TRUE(
      base::WriteFileAtomic(
          path_, "12345678\n/run/a/longer/name\n0.0.1\n1\ndraining\n", 0600)
          .ok());
  const auto lock = DaemonLock::Acquire(path_, Self(), absl::ZeroDuration());
  ASSERT_TRUE(lock.ok()) << lock.status();
  EXPECT_THAT(base::ReadFile(path_),
              test::IsOkAndHolds("41\n/run/s\n1.2.3\n99\n"));
}

TEST_F(DaemonLockTest, ADrainingDaemonIsWaitedFor) {
  auto first = DaemonLock::Acquire(path_, Self(), absl::ZeroDuration());
  ASSERT_TRUE(first.ok()) << first.status();
  first->MarkDraining();
  std::optional<absl::StatusOr<DaemonLock>> second;
  std::thread successor([&] {
    second = DaemonLock::Acquire(path_, {42, "/run/t", "1.2.4", 100, false},
                                 absl::Seconds(20));
  });
  first->Release();
  successor.join();
  ASSERT_TRUE(second->ok()) << second->status();
  EXPECT_THAT(base::ReadFile(path_),
              test::IsOkAndHolds("42\n/run/t\n1.2.4\n100\n"));
}

TEST_F(DaemonLockTest, PatienceWithADrainingDaemonEnds) {
  auto first = DaemonLock::Acquire(path_, Self(), absl::ZeroDuration());
  ASSERT_TRUE(first.ok()) << first.status();
  first->MarkDraining();
  EXPECT_THAT(
      DaemonLock::Acquire(path_, Self(), absl::Milliseconds(1)),
      StatusIs(absl::StatusCode::kUnavailable, HasSubstr("still ending")));
}

TEST_F(DaemonLockTest, IsLostWithItsDirectory) {
  const auto lock = DaemonLock::Acquire(path_, Self(), absl::ZeroDuration());
  ASSERT_TRUE(lock.ok()) << lock.status();
  EXPECT_FALSE(lock->is_lost());
  std::filesystem::remove(path_);
  EXPECT_TRUE(lock->is_lost());
  const auto second = DaemonLock::Acquire(path_, Self(), absl::ZeroDuration());
  EXPECT_TRUE(second.ok()) << second.status();
  EXPECT_TRUE(lock->is_lost());
}

TEST(ParseLockHolderTest, HalfAFileNamesNobody) {
  EXPECT_EQ(ParseLockHolder("").pid, 0);
  EXPECT_EQ(ParseLockHolder("41\n/run/s\n1.2.3\n99").pid, 0);
  EXPECT_EQ(ParseLockHolder("x\n/run/s\n1.2.3\n99\n").pid, 0);
  EXPECT_EQ(ParseLockHolder("41\n/run/s\n1.2.3\n99\n").pid, 41);
  EXPECT_TRUE(ParseLockHolder("41\n/s\n1\n9\ndraining\n").draining);
}

}  // namespace
}  // namespace vt::lifecycle
