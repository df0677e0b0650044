// SPDX-License-Identifier: Apache-2.0

#include "daemon/run/dotenv.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace vt::run {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

TEST(DotenvTest, KnowsVitesFiles) {
  EXPECT_TRUE(IsDotenvFile(".env"));
  EXPECT_TRUE(IsDotenvFile("packages/a/.env.production.local"));
  EXPECT_FALSE(IsDotenvFile(".envrc"));
  EXPECT_FALSE(IsDotenvFile("a.env"));
}

TEST(DotenvTest, FindsBothFormsOfReference) {
  EXPECT_THAT(DotenvReferences("VITE_FOO=pre-$SECRET_PART\n"
                               "B=${OTHER}x$THIRD-$SECRET_PART\n"),
              ElementsAre("OTHER", "SECRET_PART", "THIRD"));
}

TEST(DotenvTest, SkipsCommentsAndEscapes) {
  EXPECT_THAT(DotenvReferences("# $A\nX=\\$B\nY=cost 5$ $\n"), IsEmpty());
}

}  // namespace
}  // namespace vt::run
