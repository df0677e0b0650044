// SPDX-License-Identifier: Apache-2.0

#include "daemon/base/file_clock.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <cstdio>
#include <string>

#include <gtest/gtest.h>

#include "daemon/base/unique_fd.h"
#include "tests/support/temp_dir.h"

namespace vt::base {
namespace {

int64_t ChangeAndStamp(const std::string& path) {
  const UniqueFd fd(::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600));
  EXPECT_EQ(::write(fd.get(), "x", 1), 1);
  struct stat st = {};
  EXPECT_EQ(::fstat(fd.get(), &st), 0);
  return st.st_ctim.tv_sec * int64_t{1'000'000'000} + st.st_ctim.tv_nsec;
}

bool HasMultigrainStamps() {
  struct utsname name = {};
  int major = 0, minor = 0;
  return ::uname(&name) == 0 &&
         std::sscanf(name.release, "%d.%d", &major, &minor) == 2 &&
         (major > 6 || (major == 6 && minor >= 13));
}

// What the proof that no input changed while an action ran rests on.
TEST(FileClockTest, LaterChangesAreNeverStampedEarlier) {
  const test::TempDir dir;
  const std::string path = (dir.path() / "f").string();
  for (int i = 0; i < 2000; ++i) {
    const int64_t now = ReadFileClock().now_ns;
    ASSERT_GE(ChangeAndStamp(path), now) << "round " << i;
  }
}

TEST(FileClockTest, WhatIsBeforeIsToldFromWhatIsAfter) {
  if (!HasMultigrainStamps()) {
    GTEST_SKIP() << "REQUIRES kernel 6.13: stamps finer than the tick";
  }
  const test::TempDir dir;
  const std::string path = (dir.path() / "f").string();
  for (int i = 0; i < 2000; ++i) {
    const int64_t earlier = ChangeAndStamp(path);
    const FileClock clock = ReadFileClock();
    ASSERT_LE(earlier, clock.past_ns) << "round " << i;
    ASSERT_LT(clock.past_ns, clock.now_ns);
    ASSERT_GT(ChangeAndStamp(path), clock.past_ns) << "round " << i;
  }
}

}  // namespace
}  // namespace vt::base
