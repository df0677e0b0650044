// SPDX-License-Identifier: Apache-2.0

#include "daemon/run/ignored_paths.h"

#include <filesystem>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/temp_dir.h"

namespace vt::run {
namespace {

namespace fs = std::filesystem;

class IgnoredPathsTest : public testing::Test {
 protected:
  IgnoredPathsTest() : root_(fs::canonical(dir_.path()).string()) {}

  bool Covers(const std::string& reported, const std::string& path) {
    return IgnoredPaths(root_, {{reported, {}}}).Covers(path);
  }

  test::TempDir dir_;
  const std::string root_;
};

// The table of tool-ipc case 82.
TEST_F(IgnoredPathsTest, SpellingsThatStayInsideMatch) {
  EXPECT_TRUE(Covers(root_ + "/a1/", "a1/x"));
  EXPECT_TRUE(Covers(root_ + "/./a2", "a2"));
  EXPECT_TRUE(Covers(root_ + "/sub/../a3", "a3"));
  EXPECT_TRUE(Covers(root_ + "//a5", "a5"));
  EXPECT_TRUE(Covers("/" + root_ + "/a9", "a9"));
  EXPECT_TRUE(Covers(root_ + "/nonexist/../b", "b"));
}

TEST_F(IgnoredPathsTest, SpellingsThatLeaveTheRootDoNotMatch) {
  const std::string name = fs::path(root_).filename().string();
  EXPECT_FALSE(Covers(root_ + "/../" + name + "/a7", "a7"));
  EXPECT_FALSE(Covers(root_ + "/x/../../" + name + "/b1", "b1"));
  EXPECT_FALSE(Covers("/../.." + root_ + "/a8", "a8"));
  EXPECT_FALSE(Covers(root_ + "2/a", "a"));
}

TEST_F(IgnoredPathsTest, CoversWholeComponentsOnly) {
  EXPECT_TRUE(Covers(root_ + "/c", "c/a/b"));
  EXPECT_FALSE(Covers(root_ + "/c", "c.txt"));
  EXPECT_FALSE(Covers(root_ + "/c", "cc"));
  EXPECT_FALSE(Covers(root_ + "/c/*", "c/a"));
}

TEST_F(IgnoredPathsTest, TheRootCoversEverything) {
  EXPECT_TRUE(Covers(root_ + "/", "a/b"));
  EXPECT_TRUE(Covers(root_ + "/.", "a"));
}

TEST_F(IgnoredPathsTest, TheRootMayBeReachedThroughALinkOutsideOfIt) {
  const test::TempDir other;
  const std::string alias = other.path().string() + "/alias";
  fs::create_directory_symlink(root_, alias);
  EXPECT_TRUE(Covers(alias + "/b", "b/x"));
  EXPECT_FALSE(Covers(alias + "/../b", "b"));
  EXPECT_FALSE(Covers(other.path().string() + "/b", "b"));
}

TEST_F(IgnoredPathsTest, LinkMatchesWhatItLeadsTo) {
  fs::create_directory(root_ + "/real");
  fs::create_symlink("real", root_ + "/link");
  EXPECT_TRUE(Covers(root_ + "/link", "real/f"));
  EXPECT_TRUE(Covers(root_ + "/link", "link"));
  EXPECT_TRUE(Covers(root_ + "/link/new", "real/new"));
}

TEST_F(IgnoredPathsTest, NamesOnlyDirectChildren) {
  const IgnoredPaths paths(
      root_,
      {{root_ + "/p/a", {}}, {root_ + "/p/b/c", {}}, {root_ + "/q", {}}});
  EXPECT_THAT(paths.ChildrenOf("p"), testing::ElementsAre("p/a"));
  EXPECT_THAT(paths.ChildrenOf(""), testing::ElementsAre("q"));
}

}  // namespace
}  // namespace vt::run
