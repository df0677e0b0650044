// SPDX-License-Identifier: Apache-2.0

#include "shim/directories.h"

#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/temp_dir.h"

namespace vt::shim {
namespace {

namespace fs = std::filesystem;

class DirectoriesTest : public testing::Test {
 protected:
  void SetUp() override { environment().clear(); }

  static std::map<std::string, std::string>& environment() {
    static std::map<std::string, std::string> variables;
    return variables;
  }
  static const char* Get(const char* name) {
    const auto found = environment().find(name);
    return found == environment().end() ? nullptr : found->second.c_str();
  }
  static Directories Resolve() {
    Directories result;
    const MaybeFailure failure = ResolveDirectories(Get, ::geteuid(), &result);
    EXPECT_FALSE(failure.has_value()) << failure->message;
    return result;
  }
};

TEST_F(DirectoriesTest, TheUsersSettingsNameTheCache) {
  const test::TempDir temp;
  const std::string home = temp.path();
  fs::create_directories(home + "/.config/vtask");
  const std::string file = home + "/.config/vtask/config.json";
  environment() = {{"HOME", home}};
  EXPECT_EQ(Resolve().cache, home + "/.cache/vtask");
  std::ofstream(file) << "{/**/ \"other\": [1], \"cacheDir\": \"/big/x/\",}";
  EXPECT_EQ(Resolve().cache, "/big/x");
  environment()["VT_CACHE_DIR"] = "/v";
  EXPECT_EQ(Resolve().cache, "/v");
  environment() = {{"HOME", "/nowhere"},
                   {"XDG_CONFIG_HOME", home + "/.config"}};
  EXPECT_EQ(Resolve().cache, "/big/x");
  std::ofstream(file) << "{\"cacheDir\": \"x\"}";
  Directories ignored;
  const MaybeFailure failure = ResolveDirectories(Get, ::geteuid(), &ignored);
  ASSERT_TRUE(failure.has_value());
  EXPECT_EQ(failure->exit_code, 2);
  EXPECT_EQ(failure->message, file +
                                  ":1:14: `cacheDir`: found string \"x\", "
                                  "expected an absolute path");
}

TEST_F(DirectoriesTest, DaemonOffMeansOneShot) {
  environment() = {{"HOME", "/h"}};
  EXPECT_FALSE(Resolve().one_shot);
  environment()["VT_DAEMON"] = "on";
  EXPECT_FALSE(Resolve().one_shot);
  environment()["VT_DAEMON"] = "off";
  EXPECT_TRUE(Resolve().one_shot);
  environment()["VT_DAEMON"] = "0";
  Directories ignored;
  EXPECT_EQ(ResolveDirectories(Get, ::geteuid(), &ignored)->exit_code, 2);
}

TEST_F(DirectoriesTest, HomeIsTheFallback) {
  environment() = {{"HOME", "/home/ann"}};
  const Directories d = Resolve();
  EXPECT_EQ(d.cache, "/home/ann/.cache/vtask");
  EXPECT_EQ(d.state, "/home/ann/.local/state/vtask");
  EXPECT_EQ(d.runtime, "/tmp/vtask-" + std::to_string(::geteuid()));
}

TEST_F(DirectoriesTest, XdgVariablesWin) {
  environment() = {{"HOME", "/home/ann"},
                   {"XDG_CACHE_HOME", "/c/"},
                   {"XDG_STATE_HOME", "/s"},
                   {"XDG_RUNTIME_DIR", "/does/not/exist"}};
  const Directories d = Resolve();
  EXPECT_EQ(d.cache, "/c/vtask");
  EXPECT_EQ(d.state, "/s/vtask");
  EXPECT_EQ(d.runtime, "/does/not/exist/vtask");
}

TEST_F(DirectoriesTest, RelativeAndEmptyXdgValuesAreIgnored) {
  environment() = {{"HOME", "/home/ann"},
                   {"XDG_CACHE_HOME", "c"},
                   {"XDG_STATE_HOME", ""},
                   {"XDG_RUNTIME_DIR", "run"}};
  const Directories d = Resolve();
  EXPECT_EQ(d.cache, "/home/ann/.cache/vtask");
  EXPECT_EQ(d.state, "/home/ann/.local/state/vtask");
  EXPECT_EQ(d.runtime, "/tmp/vtask-" + std::to_string(::geteuid()));
}

TEST_F(DirectoriesTest, OwnVariableNamesTheCacheItself) {
  environment() = {{"HOME", "/h"}, {"VT_CACHE_DIR", "/a/./b/../c/"}};
  EXPECT_EQ(Resolve().cache, "/a/c");
  environment()["VT_CACHE_DIR"] = "below/here";
  EXPECT_EQ(Resolve().cache,
            (fs::current_path() / "below/here").lexically_normal().string());
}

TEST_F(DirectoriesTest, NoHomeIsAFailureThatSaysWhatToSet) {
  Directories result;
  const MaybeFailure failure = ResolveDirectories(Get, 0, &result);
  ASSERT_TRUE(failure.has_value());
  EXPECT_EQ(failure->exit_code, 69);
  EXPECT_THAT(failure->message, testing::HasSubstr("XDG_CACHE_HOME"));
}

TEST_F(DirectoriesTest, RuntimeDirectoryOfAnotherUserIsIgnored) {
  const test::TempDir temp;
  environment() = {{"HOME", "/h"}, {"XDG_RUNTIME_DIR", temp.path().string()}};
  Directories result;
  ASSERT_FALSE(ResolveDirectories(Get, ::geteuid() + 1, &result).has_value());
  EXPECT_EQ(result.runtime, "/tmp/vtask-" + std::to_string(::geteuid() + 1));
}

TEST_F(DirectoriesTest, SocketIsNamedAfterTheCacheDirectory) {
  environment() = {{"HOME", "/h"}, {"VT_CACHE_DIR", "/foobar"}};
  EXPECT_THAT(Resolve().Socket(),
              testing::MatchesRegex("/tmp/vtask-[0-9]+/[0-9a-f]{16}\\.sock"));
  const std::string first = Resolve().Socket();
  environment()["VT_CACHE_DIR"] = "//foobar/.";
  EXPECT_EQ(Resolve().Socket(), first);
  environment()["VT_CACHE_DIR"] = "/foobaz";
  EXPECT_NE(Resolve().Socket(), first);
}

// Vectors of the algorithm's authors (draft-eastlake-fnv, appendix C).
TEST_F(DirectoriesTest, MissingDirectoriesAreCreatedPrivate) {
  const test::TempDir temp;
  Directories d;
  d.cache = temp.path() / "a/b/cache";
  d.runtime = temp.path() / "r/run";
  d.state = temp.path() / "s/state";
  ASSERT_FALSE(PrepareDirectories(d, ::geteuid()).has_value());
  for (const std::string& path :
       {d.cache, d.runtime, d.state, (temp.path() / "a").string()}) {
    struct stat facts = {};
    ASSERT_EQ(::stat(path.c_str(), &facts), 0) << path;
    EXPECT_EQ(facts.st_mode & 07777, 0700U) << path;
  }
  EXPECT_FALSE(PrepareDirectories(d, ::geteuid()).has_value());
}

TEST_F(DirectoriesTest, UnsafeRuntimeDirectoryIsRefused) {
  const test::TempDir temp;
  Directories d;
  d.cache = temp.path() / "c";
  d.state = temp.path() / "s";
  d.runtime = temp.path() / "link";
  fs::create_directory(temp.path() / "real");
  fs::create_directory_symlink(temp.path() / "real", d.runtime);
  EXPECT_THAT(PrepareDirectories(d, ::geteuid())->message,
              testing::HasSubstr("symbolic link"));

  d.runtime = temp.path() / "open";
  fs::create_directory(d.runtime);
  ::chmod(d.runtime.c_str(), 0777);
  EXPECT_THAT(PrepareDirectories(d, ::geteuid())->message,
              testing::HasSubstr("written by other users"));

  d.runtime = temp.path() / "mine";
  fs::create_directory(d.runtime);
  EXPECT_THAT(PrepareDirectories(d, ::geteuid() + 1)->message,
              testing::HasSubstr("another user"));
}

TEST_F(DirectoriesTest, FileInTheWayIsAFailureThatNamesIt) {
  const test::TempDir temp;
  std::ofstream(temp.path() / "file") << "x";
  Directories d;
  d.cache = temp.path() / "file/cache";
  d.runtime = temp.path() / "r";
  d.state = temp.path() / "s";
  const MaybeFailure failure = PrepareDirectories(d, ::geteuid());
  ASSERT_TRUE(failure.has_value());
  EXPECT_THAT(failure->message, testing::HasSubstr("file"));
}

TEST_F(DirectoriesTest, LockTellsWhoServesWhere) {
  const auto lock = ParseDaemonLock("412\n/run/x.sock\n0.1.0\n1700000000\n");
  ASSERT_TRUE(lock.has_value());
  EXPECT_EQ(lock->pid, 412);
  EXPECT_EQ(lock->socket, "/run/x.sock");
  EXPECT_EQ(lock->version, "0.1.0");
  EXPECT_EQ(lock->build, 1700000000U);
}

TEST_F(DirectoriesTest, HalfALockIsNone) {
  for (const char* text : {"", "\n", "412", "412\n", "x\n/run/x\n", "-1\n/x\n",
                           "412\nrelative\n0.1.0\n1\n"}) {
    EXPECT_FALSE(ParseDaemonLock(text).has_value()) << text;
  }
}

}  // namespace
}  // namespace vt::shim
