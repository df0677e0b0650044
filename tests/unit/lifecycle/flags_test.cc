// SPDX-License-Identifier: Apache-2.0

#include "daemon/lifecycle/flags.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/status_matchers.h"

namespace vt::lifecycle {
namespace {

using test::StatusIs;
using testing::HasSubstr;

TEST(FlagsTest, SilenceMeansTheXdgDirectories) {
  const auto flags = ParseFlags({"--foreground"},
                                {{"HOME", "/home/u"},
                                 {"XDG_CACHE_HOME", "/c"},
                                 {"XDG_STATE_HOME", "relative"},
                                 {"XDG_RUNTIME_DIR", "/run/user/7"}},
                                7);
  ASSERT_TRUE(flags.ok()) << flags.status();
  EXPECT_EQ(flags->cache_dir, "/c/vtask");
  EXPECT_EQ(flags->state_dir, "/home/u/.local/state/vtask");
  EXPECT_EQ(flags->runtime_dir, "/run/user/7/vtask");
  EXPECT_EQ(flags->idle_exit, absl::Hours(3));
}

TEST(FlagsTest, WithoutARuntimeDirectoryTheFallbackNamesTheUser) {
  const auto flags = ParseFlags({"--foreground"}, {{"HOME", "/home/u"}}, 7);
  ASSERT_TRUE(flags.ok()) << flags.status();
  EXPECT_EQ(flags->runtime_dir, "/tmp/vtask-7");
}

// The shim must look at the same place (shim/directories.h).
TEST(FlagsTest, TheSocketIsNamedAfterTheCacheDirectory) {
  const auto flags = ParseFlags({"--foreground", "--runtime-dir", "/r"},
                                {{"HOME", "/h"}, {"VT_CACHE_DIR", "/a"}}, 0);
  ASSERT_TRUE(flags.ok()) << flags.status();
  // FNV-1a 64 of "/a", computed with another program.
  EXPECT_EQ(flags->socket, "/r/07d66707b49cd92d.sock");
}

TEST(FlagsTest, FlagsWinOverTheEnvironment) {
  const auto flags =
      ParseFlags({"--cache-dir", "/a/", "--runtime-dir", "/b", "--state-dir",
                  "/c", "--socket", "/b/s", "--ready-fd", "5", "--keeper-fd",
                  "6", "--idle-exit", "0", "--test-build", "99"},
                 {{"VT_CACHE_DIR", "/z"}, {"VT_IDLE_EXIT", "5"}}, 0);
  ASSERT_TRUE(flags.ok()) << flags.status();
  EXPECT_EQ(flags->cache_dir, "/a");
  EXPECT_EQ(flags->socket, "/b/s");
  EXPECT_EQ(flags->ready_fd, 5);
  EXPECT_EQ(flags->keeper_fd, 6);
  EXPECT_EQ(flags->idle_exit, absl::InfiniteDuration());
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
        ParseFlags(c.args, c.env, 0),
        StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(c.expected)));
  }
}

}  // namespace
}  // namespace vt::lifecycle
