// SPDX-License-Identifier: Apache-2.0

#include "daemon/plan/cache_command.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "daemon/plan/explain_command.h"
#include "tests/support/status_matchers.h"

namespace vt::plan {
namespace {

using test::IsOk;
using test::StatusIs;
using testing::ElementsAre;
using testing::HasSubstr;

TEST(CacheCommandTest, VerbsAndTheirFlags) {
  const auto clean = ParseCache({"clean", "--task", "a#b", "--all"});
  EXPECT_THAT(clean, StatusIs(absl::StatusCode::kInvalidArgument,
                              HasSubstr("cannot be used")));
  const auto prune =
      ParseCache({"prune", "--max-size=2G", "--max-age", "12h", "--json"});
  ASSERT_THAT(prune, IsOk());
  ASSERT_TRUE(prune->has_value());
  EXPECT_EQ((*prune)->verb, CacheFlags::Verb::kPrune);
  EXPECT_EQ((*prune)->max_bytes, uint64_t{2} << 30);
  EXPECT_EQ((*prune)->max_age, absl::Hours(12));
  EXPECT_TRUE((*prune)->json);
  EXPECT_THAT(ParseCache({"status", "--all"}),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("Unexpected argument '--all'")));
  EXPECT_THAT(ParseCache({"prume"}),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("did you mean `prune`")));
  EXPECT_THAT(ParseCache({"prune", "--max-size"}),
              StatusIs(absl::StatusCode::kInvalidArgument,
                       HasSubstr("a value is required")));
  EXPECT_FALSE(ParseCache({"verify", "--help"})->has_value());
}

TEST(CacheCommandTest, Sizes) {
  EXPECT_EQ(ParseSize("0"), 0U);
  EXPECT_EQ(ParseSize("1500"), 1500U);
  EXPECT_EQ(ParseSize("1.5k"), 1536U);
  EXPECT_EQ(ParseSize("10 GiB"), uint64_t{10} << 30);
  EXPECT_EQ(ParseSize("3MB"), 3U << 20);
  EXPECT_EQ(ParseSize("unlimited"), UINT64_MAX);
  for (const char* bad : {"", "G", "1X", "-1", "1GG", "1e99T", "1 2"}) {
    EXPECT_FALSE(ParseSize(bad).has_value()) << bad;
  }
}

TEST(CacheCommandTest, Ages) {
  EXPECT_EQ(ParseAge("30d"), absl::Hours(720));
  EXPECT_EQ(ParseAge("90m"), absl::Minutes(90));
  EXPECT_EQ(ParseAge("2w"), absl::Hours(336));
  EXPECT_EQ(ParseAge("0"), absl::ZeroDuration());
  EXPECT_EQ(ParseAge("unlimited"), absl::InfiniteDuration());
  for (const char* bad : {"", "d", "30", "1y", "-1d"}) {
    EXPECT_FALSE(ParseAge(bad).has_value()) << bad;
  }
}

TEST(ExplainCommandTest, ATaskIsPlannedAndNotRun) {
  const auto flags =
      ParseExplain({"--json", "-F", "a", "build", "--", "--list"});
  ASSERT_THAT(flags, IsOk());
  EXPECT_TRUE((*flags)->dry_run);
  EXPECT_TRUE((*flags)->json);
  EXPECT_EQ((*flags)->task, "build");
  EXPECT_THAT((*flags)->filters, ElementsAre("a"));
  EXPECT_THAT((*flags)->extra_args, ElementsAre("--", "--list"));
  EXPECT_FALSE((*flags)->explain->list);
}

TEST(ExplainCommandTest, RunsAreComparedByNumber) {
  const auto diff = ParseExplain({"-v", "--diff", "3", "last", "--json"});
  ASSERT_THAT(diff, IsOk());
  EXPECT_THAT((*diff)->explain->diff, ElementsAre("3", "last"));
  EXPECT_EQ((*diff)->verbose, 1);
  EXPECT_FALSE((*diff)->task.has_value());
  EXPECT_FALSE(ParseExplain({"--diff", "3", "last", "-r"}).ok());
  EXPECT_FALSE(ParseExplain({"--diff", "3"}).ok());
  EXPECT_FALSE(ParseExplain({"--diff", "3", "four"}).ok());
  EXPECT_FALSE(ParseExplain({"--diff", "3", "4", "--list"}).ok());
  EXPECT_FALSE(ParseExplain({}).ok());
  EXPECT_FALSE(ParseExplain({"--help"})->has_value());
}

}  // namespace
}  // namespace vt::plan
