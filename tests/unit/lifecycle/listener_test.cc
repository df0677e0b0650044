// SPDX-License-Identifier: Apache-2.0

#include "daemon/lifecycle/listener.h"

#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "daemon/base/file.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temp_dir.h"

namespace vt::lifecycle {
namespace {

using test::StatusIs;
using testing::HasSubstr;

class ListenerTest : public testing::Test {
 protected:
  test::TempDir dir_;
  const std::string path_ = (dir_.path() / "s").string();
};

TEST_F(ListenerTest, TheSocketIsPrivate) {
  const auto listener = Listener::Bind(path_);
  ASSERT_TRUE(listener.ok()) << listener.status();
  struct stat facts = {};
  ASSERT_EQ(::lstat(path_.c_str(), &facts), 0);
  EXPECT_EQ(facts.st_mode & 07777, 0600U);
}

TEST_F(ListenerTest, WhatACrashedDaemonLeftIsReplaced) {
  {
    auto crashed = Listener::Bind(path_);
    ASSERT_TRUE(crashed.ok()) << crashed.status();
  }
  ASSERT_TRUE(std::filesystem::exists(path_));
  EXPECT_TRUE(Listener::Bind(path_).ok());
}

TEST_F(ListenerTest, ALivingDaemonIsNotReplaced) {
  const auto first = Listener::Bind(path_);
  ASSERT_TRUE(first.ok()) << first.status();
  EXPECT_THAT(Listener::Bind(path_),
              StatusIs(absl::StatusCode::kUnavailable,
                       HasSubstr(std::to_string(::getpid()))));
}

TEST_F(ListenerTest, AFileThatIsNoSocketStays) {
  ASSERT_TRUE(base::WriteFileAtomic(path_, "mine", 0600).ok());
  EXPECT_THAT(
      Listener::Bind(path_),
      StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr("in the way")));
  EXPECT_THAT(base::ReadFile(path_), test::IsOkAndHolds("mine"));
}

TEST_F(ListenerTest, UnlinkRemovesOnlyTheOwnSocket) {
  auto old = Listener::Bind(path_);
  ASSERT_TRUE(old.ok()) << old.status();
  old->TakeFd().Reset();
  auto young = Listener::Bind(path_);
  ASSERT_TRUE(young.ok()) << young.status();
  old->Unlink();
  EXPECT_TRUE(std::filesystem::exists(path_));
  young->Unlink();
  EXPECT_FALSE(std::filesystem::exists(path_));
}

TEST_F(ListenerTest, APathOfAnyLengthWorks) {
  const auto deep = dir_.path() / std::string(100, 'd') / std::string(100, 'e');
  std::filesystem::create_directories(deep);
  const std::string path = (deep / "s").string();
  const auto listener = Listener::Bind(path);
  ASSERT_TRUE(listener.ok()) << listener.status();
  EXPECT_TRUE(std::filesystem::is_socket(path));
  // Alive, as the next one finds out through the same detour.
  EXPECT_THAT(Listener::Bind(path),
              StatusIs(absl::StatusCode::kUnavailable, HasSubstr("listens")));
}

}  // namespace
}  // namespace vt::lifecycle
