// SPDX-License-Identifier: Apache-2.0

#include "daemon/base/file_clock.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <string>

#include <gtest/gtest.h>

#include "daemon/base/unique_fd.h"
#include "tests/support/kernel_version.h"
#include "tests/support/temp_dir.h"

namespace vt::base {
namespace {

int64_t ChangeAndStamp(const std::string& path) {
  const UniqueFd fd(::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600));
  EXPECT_EQ(::write(fd.get(), "x", 1), 1);
  struct stat st = {};
  EXPECT_EQ(::fstat(fd.get(), &st), 0);
  return ToNs(st.st_ctim);
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
  if (!test::IsKernelAtLeast(6, 13)) {
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
