// SPDX-License-Identifier: Apache-2.0

#include "daemon/base/consulted.h"

#include <gtest/gtest.h>

#include "daemon/base/parallel.h"

namespace vt::base {
namespace {

Consulted Since(uint64_t since, const char* path) {
  Consulted consulted;
  consulted.since = since;
  consulted.paths.push_back({path});
  return consulted;
}

TEST(ConsultedTest, TogetherTheyBeganWhenTheFirstDid) {
  Consulted all;
  all.Add(Since(5, "/a"));
  EXPECT_EQ(all.since, 5U);
  all.Add(Since(7, "/b"));
  EXPECT_EQ(all.since, 5U);
  all.Add(Since(3, "/c"));
  EXPECT_EQ(all.since, 3U);
  Consulted nothing;
  all.Add(nothing);
  EXPECT_EQ(all.since, 3U);
  all.Add(Since(0, "/d"));  // with the computation
  EXPECT_EQ(all.since, 0U);
  EXPECT_EQ(all.paths.size(), 4U);
}

TEST(ConsultedTest, WhatHelpersConsultBeganNotBeforeTheyWereAsked) {
  for (const uint64_t since : {0, 9}) {
    Consulted all;
    all.since = since;
    {
      const ConsultedScope scope(&all);
      ParallelFor(100, 1, [](size_t /*from*/, size_t /*to*/) {
        NoteConsulted("/a", /*follows=*/false);
      });
    }
    EXPECT_EQ(all.since, since);
    EXPECT_EQ(all.paths.size(), 100U);
  }
}

TEST(ConsultedTest, WhatIsExpectedIsToldToTheInnermostThatListens) {
  EXPECT_EQ(Expect(Since(0, "/a")), 0U);
  const ExpectingScope outer([](const Consulted&) { return 1; });
  {
    const ExpectingScope inner([](const Consulted& expected) {
      return expected.paths.size() + 1;
    });
    EXPECT_EQ(Expect(Since(0, "/a")), 2U);
  }
  EXPECT_EQ(Expect(Since(0, "/a")), 1U);
}

}  // namespace
}  // namespace vt::base
