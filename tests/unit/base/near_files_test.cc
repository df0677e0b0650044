// SPDX-License-Identifier: Apache-2.0

#include "daemon/base/near_files.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <cerrno>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <string>
#include <thread>

#include <gtest/gtest.h>

#include "tests/support/temp_dir.h"

namespace vt::base {
namespace {

class NearFilesTest : public testing::Test {
 protected:
  std::string Path(const std::string& name) {
    return (dir_.path() / name).string();
  }

  void Write(const std::string& name, const std::string& text) {
    std::filesystem::create_directories(
        std::filesystem::path(Path(name)).parent_path());
    std::ofstream(Path(name)) << text;
  }

  // -1: it is not there.
  static int64_t SizeAt(const NearFiles::Place& place) {
    struct stat st = {};
    return ::fstatat(place.directory, place.name, &st, AT_SYMLINK_NOFOLLOW) == 0
               ? st.st_size
               : -1;
  }

  test::TempDir dir_;
  NearFiles files_;
};

TEST_F(NearFilesTest, OfOneDirectoryAfterAnotherEachIsFound) {
  Write("a/1", "x");
  Write("a/2", "xx");
  Write("a/b/1", "xxx");
  Write("ab", "xxxx");
  const struct {
    const char* name;
    int64_t size;
  } looks[] = {{"a/1", 1},    {"a/2", 2}, {"a/none", -1}, {"a/b/1", 3},
               {"a/b/2", -1}, {"a/1", 1}, {"a/2", 2},     {"ab", 4}};
  for (const auto& look : looks) {
    const std::string path = Path(look.name);
    EXPECT_EQ(SizeAt(files_.Find(path)), look.size) << look.name;
  }
}

TEST_F(NearFilesTest, TheSecondOfADirectoryIsLookedUpInIt) {
  Write("a/1", "x");
  Write("a/2", "xx");
  const std::string first = Path("a/1");
  const std::string second = Path("a/2");
  EXPECT_EQ(files_.Find(first).directory, AT_FDCWD);
  const NearFiles::Place place = files_.Find(second);
  EXPECT_NE(place.directory, AT_FDCWD);
  EXPECT_STREQ(place.name, "2");
}

TEST_F(NearFilesTest, WhatIsNoNameIsLeftToTheKernel) {
  Write("a/1", "x");
  for (const std::string& path :
       {Path("a/"), Path("a/."), Path("a/.."), std::string("/"),
        std::string("/tmp"), std::string("/usr"), std::string("name")}) {
    for (int i = 0; i < 2; ++i) {
      const NearFiles::Place place = files_.Find(path);
      EXPECT_EQ(place.directory, AT_FDCWD) << path;
      EXPECT_EQ(std::string(place.name), path);
    }
  }
}

TEST_F(NearFilesTest, WhereTheDirectoryCannotBeOpenedTheWholeWayFails) {
  Write("file", "x");
  for (const char* name : {"none/1", "none/2", "file/1", "file/2"}) {
    const std::string path = Path(name);
    errno = 0;
    EXPECT_EQ(SizeAt(files_.Find(path)), -1);
    EXPECT_EQ(errno, name[0] == 'n' ? ENOENT : ENOTDIR) << name;
  }
}

TEST_F(NearFilesTest, ALinkOnTheWayIsFollowed) {
  Write("a/1", "x");
  Write("a/2", "xx");
  std::filesystem::create_directory_symlink("a", Path("link"));
  for (const char* name : {"link/1", "link/2", "link/1"}) {
    const std::string path = Path(name);
    EXPECT_EQ(SizeAt(files_.Find(path)), name[5] - '0');
  }
}

TEST_F(NearFilesTest, APassEndsWithItsScope) {
  Write("a/1", "x");
  Write("a/2", "xx");
  const std::string path = Path("a/2");
  {
    const NearScope pass;
    FindNear(path);
    EXPECT_NE(FindNear(path).directory, AT_FDCWD);
    {
      const NearScope inner;
      EXPECT_NE(FindNear(path).directory, AT_FDCWD) << "the same pass";
    }
    EXPECT_NE(FindNear(path).directory, AT_FDCWD);
    std::thread([&path] {
      FindNear(path);
      EXPECT_EQ(FindNear(path).directory, AT_FDCWD) << "of another thread";
    }).join();
  }
  EXPECT_EQ(FindNear(path).directory, AT_FDCWD);
  // The next one starts anew: what stands there now is what counts.
  std::filesystem::rename(Path("a"), Path("gone"));
  Write("a/2", "xxx");
  const NearScope pass;
  FindNear(path);
  EXPECT_EQ(SizeAt(FindNear(path)), 3);
}

}  // namespace
}  // namespace vt::base
