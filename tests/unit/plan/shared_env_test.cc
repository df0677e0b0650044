// SPDX-License-Identifier: Apache-2.0

#include "daemon/plan/shared_env.h"

#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace vt::plan {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::Pair;

TEST(SharedEnvTest, WhatAStepHasOfItsOwnWins) {
  const auto common = std::make_shared<const base::EnvMap>(
      base::EnvMap{{"B", "1"}, {"D", "2"}, {"PATH", "/usr/bin"}});
  const SharedEnv env(common, {{"A", "0"}, {"C", "3"}, {"D", ""}, {"Z", "4"}});
  EXPECT_THAT(
      *env.All(),
      ElementsAre(Pair("A", "0"), Pair("B", "1"), Pair("C", "3"), Pair("D", ""),
                  Pair("PATH", "/usr/bin"), Pair("Z", "4")));
  EXPECT_THAT(env.Entries(),
              ElementsAre("A=0", "B=1", "C=3", "D=", "PATH=/usr/bin", "Z=4"));
  EXPECT_EQ(env.Get("B"), "1");
  EXPECT_EQ(env.Get("D"), "");
  EXPECT_EQ(env.Get("E"), "");
  EXPECT_THAT(SharedEnv(common, {}).Entries(),
              ElementsAre("B=1", "D=2", "PATH=/usr/bin"));
  EXPECT_EQ(SharedEnv().All(), nullptr);
  EXPECT_THAT(SharedEnv().Entries(), IsEmpty());
}

TEST(SharedEnvTest, EqualOnesAreOne) {
  EnvPool pool;
  const auto first = pool.Share({{"A", "0"}});
  EXPECT_NE(pool.Share({{"A", "1"}}), first);
  EXPECT_NE(pool.Share({}), first);
  EXPECT_EQ(pool.Share({{"A", "0"}}), first);
  EXPECT_THAT(*first, ElementsAre(Pair("A", "0")));
  // It is none of the last few any more, but stays what it was.
  for (int i = 0; i < 100; ++i) {
    pool.Share({{"B", std::to_string(i)}});
  }
  EXPECT_NE(pool.Share({{"A", "0"}}), first);
  EXPECT_THAT(*first, ElementsAre(Pair("A", "0")));
}

}  // namespace
}  // namespace vt::plan
