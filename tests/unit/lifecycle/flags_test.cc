// SPDX-License-Identifier: Apache-2.0

#include "daemon/lifecycle/flags.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/status_matchers.h"

namespace vt::lifecycle {
namespace {

using test::StatusIs;
using testing::HasSubstr;

absl::StatusOr<std::string> NothingConfigured() { return std::string(); }

absl::StatusOr<Flags> Parse(const std::vector<std::string>& args,
                            const base::EnvMap& env, uid_t uid) {
  return ParseFlags(args, env, uid, &NothingConfigured);
}

TEST(FlagsTest, TheUsersSettingsNameTheCacheWhereNoVariableDoes) {
  const auto configured = []() -> absl::StatusOr<std::string> { return "/b"; };
  base::EnvMap env = {{"HOME", "/h"}, {"XDG_CACHE_HOME", "/c"}};
  EXPECT_EQ(ParseFlags({"--foreground"}, env, 7, configured)->cache_dir, "/b");
  env["VT_CACHE_DIR"] = "/a";
  EXPECT_EQ(ParseFlags({"--foreground"}, env, 7, configured)->cache_dir, "/a");
}

TEST(FlagsTest, ABrokenSettingsFileIsTheErrorWhereItIsAsked) {
  const auto broken = []() -> absl::StatusOr<std::string> {
    return absl::InvalidArgumentError("config.json:1:1: broken");
  };
  EXPECT_THAT(
      ParseFlags({"--foreground"}, {{"HOME", "/h"}}, 7, broken),
      StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("config.json")));
  EXPECT_TRUE(ParseFlags({"--foreground", "--cache-dir", "/a"},
                         {{"HOME", "/h"}}, 7, broken)
                  .ok());
}

TEST(FlagsTest, SilenceMeansTheXdgDirectories) {
  const auto flags = Parse({"--foreground"},
                           {{"HOME", "/home/u"},
                            {"XDG_CACHE_HOME", "/c"},
                            {"XDG_STATE_HOME", "relative"},
                            {"XDG_RUNTIME_DIR", "/run/user/7"}},
                           7);
  ASSERT_TRUE(flags.ok()) << flags.status();
  EXPECT_EQ(flags->cache_dir, "/c/vtask");
  EXPECT_EQ(flags->state_dir, "/home/u/.local/state/vtask");
  EXPECT_EQ(flags->runtime_dir, "/run/user/7/vtask");
  EXPECT_EQ(flags->idle_exit, std::nullopt);
  EXPECT_FALSE(flags->one_shot);
}

TEST(FlagsTest, WithoutARuntimeDirectoryTheFallbackNamesTheUser) {
  const auto flags = Parse({"--foreground"}, {{"HOME", "/home/u"}}, 7);
  ASSERT_TRUE(flags.ok()) << flags.status();
  EXPECT_EQ(flags->runtime_dir, "/tmp/vtask-7");
}

// The shim must look at the same place (shim/directories.h).
TEST(FlagsTest, TheSocketIsNamedAfterTheCacheDirectory) {
  const auto flags = Parse({"--foreground", "--runtime-dir", "/r"},
                           {{"HOME", "/h"}, {"VT_CACHE_DIR", "/a"}}, 0);
  ASSERT_TRUE(flags.ok()) << flags.status();
  // FNV-1a 64 of "/a", computed with another program.
  EXPECT_EQ(flags->socket, "/r/07d66707b49cd92d.sock");
}

TEST(FlagsTest, FlagsWinOverTheEnvironment) {
  const auto flags =
      Parse({"--cache-dir", "/a/", "--runtime-dir", "/b", "--state-dir", "/c",
             "--socket", "/b/s", "--ready-fd", "5", "--keeper-fd", "6",
             "--idle-exit", "0", "--test-build", "99", "--one-shot"},
            {{"VT_CACHE_DIR", "/z"}, {"VT_IDLE_EXIT", "5"}}, 0);
  ASSERT_TRUE(flags.ok()) << flags.status();
  EXPECT_EQ(flags->cache_dir, "/a");
  EXPECT_EQ(flags->socket, "/b/s");
  EXPECT_EQ(flags->ready_fd, 5);
  EXPECT_EQ(flags->keeper_fd, 6);
  EXPECT_EQ(flags->idle_exit, absl::InfiniteDuration());
  EXPECT_EQ(flags->idle_exit_origin, "--idle-exit");
  EXPECT_TRUE(flags->one_shot);
  EXPECT_EQ(flags->test_build, 99U);
}

TEST(FlagsTest, AFaultIsNamed) {
  const struct {
    std::vector<std::string> args;
    base::EnvMap env;
    std::string expected;
  } cases[] = {
      {{"--bogus"}, {}, "`--bogus`"},
      {{"--foreground", "--socket"}, {}, "--socket needs a value"},
      {{"--foreground", "--socket", "s"}, {}, "not an absolute path"},
      {{"--foreground", "--ready-fd", "x"}, {}, "not a number"},
      {{"--foreground", "--ready-fd", "-1"}, {}, "not a number"},
      {{"--foreground", "--idle-exit", "-1"}, {}, "number of seconds"},
      {{"--foreground"}, {{"VT_IDLE_EXIT", "soon"}}, "VT_IDLE_EXIT"},
      {{"--foreground"}, {}, "HOME"},
      {{}, {{"HOME", "/h"}}, "--foreground"},
  };
  for (const auto& c : cases) {
    EXPECT_THAT(
        Parse(c.args, c.env, 0),
        StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(c.expected)));
  }
}

}  // namespace
}  // namespace vt::lifecycle
