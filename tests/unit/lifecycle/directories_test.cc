// SPDX-License-Identifier: Apache-2.0

#include "daemon/lifecycle/directories.h"

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

using test::IsOk;
using test::StatusIs;
using testing::HasSubstr;

unsigned ModeOf(const std::filesystem::path& path) {
  struct stat facts = {};
  return ::stat(path.c_str(), &facts) == 0 ? facts.st_mode & 07777 : 0;
}

TEST(DirectoriesTest, MissingOnesAreMadePrivate) {
  const test::TempDir dir;
  EXPECT_THAT(PrepareOwnDirectory((dir.path() / "a/b").string()), IsOk());
  EXPECT_EQ(ModeOf(dir.path() / "a"), 0700U);
  EXPECT_EQ(ModeOf(dir.path() / "a/b"), 0700U);
}

TEST(DirectoriesTest, AnOpenRuntimeDirectoryIsClosed) {
  const test::TempDir dir;
  const auto runtime = dir.path() / "r";
  std::filesystem::create_directory(runtime);
  std::filesystem::permissions(runtime, std::filesystem::perms::all);
  EXPECT_THAT(PrepareRuntimeDirectory(runtime.string()), IsOk());
  EXPECT_EQ(ModeOf(runtime), 0700U);
}

TEST(DirectoriesTest, ARuntimeDirectoryIsNoSymbolicLink) {
  const test::TempDir dir;
  std::filesystem::create_directory(dir.path() / "real");
  std::filesystem::create_symlink("real", dir.path() / "link");
  EXPECT_THAT(PrepareRuntimeDirectory((dir.path() / "link").string()),
              StatusIs(absl::StatusCode::kFailedPrecondition,
                       HasSubstr("not a directory")));
  EXPECT_THAT(PrepareOwnDirectory((dir.path() / "link").string()), IsOk());
}

TEST(DirectoriesTest, AnothersDirectoryIsRefused) {
  if (::geteuid() != 0) {
    GTEST_SKIP() << "needs root, to give a directory away";
  }
  const test::TempDir dir;
  const auto theirs = dir.path() / "theirs";
  std::filesystem::create_directory(theirs);
  ASSERT_EQ(::chown(theirs.c_str(), 65534, 65534), 0);
  EXPECT_THAT(PrepareOwnDirectory(theirs.string()),
              StatusIs(absl::StatusCode::kFailedPrecondition,
                       HasSubstr("belongs to user 65534")));
}

TEST(DirectoriesTest, ALocalDirectoryIsNotOnTheNetwork) {
  const test::TempDir dir;
  EXPECT_EQ(NetworkFileSystem(dir.path().string()), "");
  EXPECT_EQ(NetworkFileSystem("/proc"), "");
  EXPECT_EQ(NetworkFileSystem("/nowhere/at/all"), "");
}

}  // namespace
}  // namespace vt::lifecycle
