// SPDX-License-Identifier: Apache-2.0

#include "daemon/track/in_flight.h"

#include <sys/stat.h>
#include <unistd.h>

#include <fstream>
#include <string>

#include <gtest/gtest.h>

#include "tests/support/temp_dir.h"

namespace vt::track {
namespace {

class InFlightTest : public testing::Test {
 protected:
  InFlightTest() : path_((temp_.path() / "a").string()) {}

  struct stat Make() {
    std::ofstream(path_) << "old";
    struct stat status;
    EXPECT_EQ(::lstat(path_.c_str(), &status), 0);
    return status;
  }

  test::TempDir temp_;
  const std::string path_;
  InFlight in_flight_;
};

TEST_F(InFlightTest, ChangeEndsWhenItsThreadIsHeardOfAgain) {
  in_flight_.AddChange(1, path_, Make(), /*changes_names=*/true);
  EXPECT_FALSE(in_flight_.Settle(2));
  EXPECT_FALSE(in_flight_.is_empty());
  EXPECT_TRUE(in_flight_.Settle(1));
  EXPECT_TRUE(in_flight_.is_empty());
}

TEST_F(InFlightTest, ChangeEndsWhenTheDiskShowsIt) {
  in_flight_.AddChange(1, path_, Make(), /*changes_names=*/false);
  in_flight_.Settle(2);
  ASSERT_EQ(::truncate(path_.c_str(), 0), 0);
  EXPECT_FALSE(in_flight_.Settle(2));  // no name has changed
  EXPECT_TRUE(in_flight_.is_empty());
}

TEST_F(InFlightTest, RemovalEndsWhenTheDiskShowsIt) {
  in_flight_.AddChange(1, path_, Make(), /*changes_names=*/true);
  ::unlink(path_.c_str());
  EXPECT_TRUE(in_flight_.Settle(2));
}

TEST_F(InFlightTest, CreationEndsWhenTheDiskShowsIt) {
  in_flight_.AddCreation(1, path_, /*changes_names=*/true);
  EXPECT_FALSE(in_flight_.Settle(2));
  Make();
  EXPECT_TRUE(in_flight_.Settle(2));
}

TEST_F(InFlightTest, WhatShowsNothingEndsAfterManyOthers) {
  in_flight_.AddMove(1);
  in_flight_.AddChange(1, path_, Make(), /*changes_names=*/true);
  for (int i = 1; i < 64; ++i) {
    EXPECT_FALSE(in_flight_.Settle(2));
    EXPECT_FALSE(in_flight_.is_empty());
  }
  EXPECT_TRUE(in_flight_.Settle(2));
  EXPECT_TRUE(in_flight_.is_empty());
}

}  // namespace
}  // namespace vt::track
