// SPDX-License-Identifier: Apache-2.0

#include "daemon/fingerprint/sighting.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <optional>
#include <string>

#include <gtest/gtest.h>

#include "daemon/base/unique_fd.h"
#include "daemon/fingerprint/file_digests.h"
#include "tests/support/kernel_version.h"
#include "tests/support/temp_dir.h"

namespace vt::fingerprint {
namespace {

class SightingTest : public testing::Test {
 protected:
  base::UniqueFd Open(int flags) const {
    return base::UniqueFd(::open(path_.c_str(), flags | O_CLOEXEC, 0600));
  }
  void Write(const std::string& text) const {
    const base::UniqueFd fd = Open(O_WRONLY | O_CREAT | O_TRUNC);
    ASSERT_EQ(::write(fd.get(), text.data(), text.size()),
              static_cast<ssize_t>(text.size()));
    // Younger than any clock: it never is final for its age.
    const struct timespec times[2] = {{0, UTIME_OMIT}, {4'000'000'000, 1}};
    ASSERT_EQ(::futimens(fd.get(), times), 0);
  }
  Sighting SeeNow() const {
    const base::UniqueFd fd = Open(O_RDONLY);
    Sighting sighting;
    EXPECT_TRUE(See(fd.get(), &sighting));
    return sighting;
  }
  // Whether a kernel and a file system are here that give each change a stamp;
  // `nsec` instead of what the stamp of `path` has behind the second.
  static bool HasStamps(const std::string& path,
                        std::optional<long> nsec = std::nullopt) {
    const base::UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    struct stat status = {};
    EXPECT_EQ(::fstat(fd.get(), &status), 0);
    status.st_ctim.tv_nsec = nsec.value_or(status.st_ctim.tv_nsec);
    return HasStampForEachChange(fd.get(), status);
  }
  bool HasStamps() const { return HasStamps(path_); }

  const test::TempDir dir_;
  const std::string path_ = (dir_.path() / "f").string();
  FileDigests files_{nullptr};
};

// What it claims, tried where it claims it.
TEST_F(SightingTest, AChangeRightAfterALookHasAnotherIdentity) {
  Write("aaaa");
  if (!HasStamps()) {
    GTEST_SKIP() << "REQUIRES(multigrain): stamps with the tick";
  }
  for (int i = 0; i < 20000; ++i) {
    const Sighting before = SeeNow();
    {
      const base::UniqueFd fd = Open(O_WRONLY);
      ASSERT_EQ(::pwrite(fd.get(), i % 2 == 0 ? "b" : "a", 1, 0), 1);
    }
    const Sighting after = SeeNow();
    ASSERT_FALSE(IdentityOf(before.status) == IdentityOf(after.status)) << i;
  }
}

TEST_F(SightingTest, StampsOfTheTickAreNotTakenForMore) {
  Write("a");
  EXPECT_TRUE(test::IsKernelAtLeast(6, 13) || !HasStamps());
  // procfs has none on any kernel.
  EXPECT_FALSE(HasStamps("/proc/version", 1));
}

TEST_F(SightingTest, WholeSecondsTellNothing) {
  Write("a");
  EXPECT_FALSE(HasStamps(path_, 0));
}

// Its stamp may be older than its bytes.
TEST_F(SightingTest, AYoungFileThatSomebodyMayWriteIsNotFinal) {
  Write("a");
  if (!HasStamps()) {
    GTEST_SKIP() << "REQUIRES(multigrain): stamps with the tick";
  }
  {
    Write("b");
    const base::UniqueFd writer = Open(O_WRONLY);
    EXPECT_FALSE(SeeNow().is_final);
  }
  Write("c");
  EXPECT_TRUE(SeeNow().is_final);
  void* map = nullptr;
  {
    const base::UniqueFd writer = Open(O_RDWR);
    map =
        ::mmap(nullptr, 1, PROT_READ | PROT_WRITE, MAP_SHARED, writer.get(), 0);
    ASSERT_NE(map, MAP_FAILED);
  }
  Write("d");
  EXPECT_FALSE(SeeNow().is_final);
  ::munmap(map, 1);
  Write("e");
  EXPECT_TRUE(SeeNow().is_final);
}

TEST_F(SightingTest, AYoungFileIsReadOnceWhereItsStampsTell) {
  Write("abc");
  if (!HasStamps()) {
    GTEST_SKIP() << "REQUIRES(multigrain): stamps with the tick";
  }
  const std::string root = dir_.path().string();
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(files_.Look(root, path_, false, true).size, 3U);
  }
  EXPECT_EQ(files_.reads(), 1U);
  Write("abd");
  files_.Look(root, path_, false, true);
  EXPECT_EQ(files_.reads(), 2U);
}

}  // namespace
}  // namespace vt::fingerprint
