// SPDX-License-Identifier: Apache-2.0

#include "daemon/fingerprint/file_digests.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fstream>
#include <thread>

#include "absl/strings/str_cat.h"

#include "daemon/base/file_clock.h"
#include "daemon/fingerprint/sink.h"
#include "daemon/store/database.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temp_dir.h"

namespace vt::fingerprint {
namespace {

using test::IsOk;
using vtask::storage::v1::Value;

class FileDigestsTest : public testing::Test {
 protected:
  std::string Root() const { return dir_.path().string(); }
  std::string Path(const std::string& name) const {
    return (dir_.path() / name).string();
  }
  void Write(const std::string& name, const std::string& content) const {
    std::ofstream(Path(name), std::ios::binary) << content;
  }
  FileState Look(FileDigests* files, const std::string& name,
                 bool follow = false) const {
    return files->Look(Root(), Path(name), follow, /*want_content=*/true);
  }
  // Lets the clock that stamps files move past its granularity: a few ms.
  static void PassGranularity() {
    // By the clock's floor, which lags a tick behind.
    const int64_t begin = base::ReadFileClock().now_ns;
    timespec floor = {};
    do {
      ::clock_gettime(CLOCK_REALTIME_COARSE, &floor);
    } while (floor.tv_sec * 1'000'000'000 + floor.tv_nsec < begin + 15'000'000);
  }

  test::TempDir dir_;
  FileDigests files_{nullptr};
};

TEST_F(FileDigestsTest, TellsWhatStandsAtAPath) {
  Write("file", "abc");
  ::chmod(Path("file").c_str(), 0640);
  ::mkdir(Path("directory").c_str(), 0700);
  ASSERT_EQ(::symlink("file", Path("link").c_str()), 0);
  ASSERT_EQ(::symlink("loop", Path("loop").c_str()), 0);
  ASSERT_EQ(::mkfifo(Path("pipe").c_str(), 0600), 0);
  const FileState file = Look(&files_, "file");
  EXPECT_EQ(file.type, Value::FILE);
  EXPECT_EQ(file.mode, 0640U);
  EXPECT_EQ(file.size, 3U);
  EXPECT_EQ(file.content, Sha256("abc"));
  EXPECT_EQ(Look(&files_, "directory").type, Value::DIRECTORY);
  EXPECT_EQ(Look(&files_, "link").type, Value::SYMLINK);
  EXPECT_EQ(Look(&files_, "link", /*follow=*/true).content, Sha256("abc"));
  EXPECT_EQ(Look(&files_, "pipe").type, Value::OTHER);
  EXPECT_EQ(Look(&files_, "none").type, Value::MISSING);
  EXPECT_EQ(Look(&files_, "file/below").type, Value::MISSING);
  EXPECT_EQ(Look(&files_, "loop", /*follow=*/true).type, Value::MISSING);
}

// Its new size is there before its new times.
TEST_F(FileDigestsTest, WhatIsBeingTruncatedHasNotTheTimesOfBefore) {
  for (const off_t size : {0, 1000}) {
    Write("file", std::string(32 << 20, 'x'));
    const FileState before = Look(&files_, "file");
    std::thread somebody([&] { ::truncate(Path("file").c_str(), size); });
    FileState now;
    do {
      now = files_.Look(Root(), Path("file"), /*follow=*/false,
                        /*want_content=*/false);
    } while (now.size == before.size);
    now = Look(&files_, "file");
    EXPECT_TRUE(now.ctime_ns > before.ctime_ns || now.known_since_ns == 0);
    somebody.join();
    EXPECT_EQ(Look(&files_, "file").content,
              Sha256(std::string(static_cast<size_t>(size), 'x')));
  }
}

TEST_F(FileDigestsTest, AnOldFileIsReadOnce) {
  Write("file", "abc");
  PassGranularity();
  Look(&files_, "file");
  Look(&files_, "file");
  EXPECT_EQ(files_.reads(), 1U);
}

TEST_F(FileDigestsTest, AYoungFileIsReadAgain) {
  // As fast as a machine can write: the times are all the same.
  for (int i = 0; i < 300; ++i) {
    const std::string content = absl::StrCat(i % 10);
    Write("file", content);
    EXPECT_EQ(Look(&files_, "file").content, Sha256(content));
  }
}

TEST_F(FileDigestsTest, AChangedFileIsReadAgain) {
  Write("file", "abc");
  PassGranularity();
  Look(&files_, "file");
  Write("file", "xyz");
  EXPECT_EQ(Look(&files_, "file").content, Sha256("xyz"));
}

TEST_F(FileDigestsTest, ABackdatedChangeIsSeen) {
  Write("file", "abc");
  PassGranularity();
  Look(&files_, "file");
  struct stat before = {};
  ::stat(Path("file").c_str(), &before);
  Write("file", "xyz");
  const struct timespec times[2] = {before.st_atim, before.st_mtim};
  ::utimensat(AT_FDCWD, Path("file").c_str(), times, 0);
  EXPECT_EQ(Look(&files_, "file").content, Sha256("xyz"));
}

TEST_F(FileDigestsTest, DigestsOutliveTheProcess) {
  Write("file", absl::StrCat("at ", Root()));
  PassGranularity();
  auto database = store::Database::Open(Path("db"));
  ASSERT_THAT(database, IsOk());
  FileState first;
  {
    FileDigests files(database->get());
    first = Look(&files, "file");
    EXPECT_THAT(files.Save(), IsOk());
  }
  FileDigests files(database->get());
  const FileState second = Look(&files, "file");
  EXPECT_EQ(files.reads(), 0U);
  EXPECT_EQ(second.content, first.content);
  EXPECT_TRUE(second.contains_root);

  // Changed while no daemon ran.
  Write("file", "new");
  FileDigests later(database->get());
  EXPECT_EQ(Look(&later, "file").content, Sha256("new"));
}

TEST_F(FileDigestsTest, ManyDigestsAreSavedAPieceAtATime) {
  constexpr int kFiles = 600;
  for (int i = 0; i < kFiles; ++i) {
    Write(absl::StrCat("file", i), absl::StrCat(i));
  }
  PassGranularity();
  auto database = store::Database::Open(Path("db"));
  ASSERT_THAT(database, IsOk());
  {
    FileDigests files(database->get());
    for (int i = 0; i < kFiles; ++i) {
      Look(&files, absl::StrCat("file", i));
    }
    EXPECT_THAT(files.Save(), IsOk());
  }
  FileDigests files(database->get());
  for (int i = 0; i < kFiles; ++i) {
    EXPECT_EQ(Look(&files, absl::StrCat("file", i)).content,
              Sha256(absl::StrCat(i)));
  }
  EXPECT_EQ(files.reads(), 0U);
}

TEST_F(FileDigestsTest, ALargeFileIsReadInPieces) {
  const std::string root = Root();
  std::string content((1 << 20) - 5, 'x');
  content += root + "/x" + std::string(1 << 20, 'y');
  Write("file", content);
  bool contains_root = false;
  EXPECT_EQ(Look(&files_, "file").content,
            FileDigests::ContentDigest(root, content, &contains_root));
  EXPECT_TRUE(contains_root);
}

TEST_F(FileDigestsTest, EachRootHasItsOwnDigest) {
  const std::string text = absl::StrCat("at ", Root());
  Write("file", text);
  PassGranularity();
  EXPECT_NE(Look(&files_, "file").content, Sha256(text));
  EXPECT_EQ(files_.Look("", Path("file"), true, true).content, Sha256(text));
}

TEST_F(FileDigestsTest, WhatIsRememberedIsNotRead) {
  Write("file", "abc");
  Sighting seen;
  ASSERT_EQ(::stat(Path("file").c_str(), &seen.status), 0);
  seen.is_final = true;
  files_.Remember(Root(), Path("file"), seen, Sha256("abc"), false);
  EXPECT_EQ(Look(&files_, "file").content, Sha256("abc"));
  EXPECT_EQ(files_.reads(), 0U);
}

TEST_F(FileDigestsTest, WhatMayYetChangeUnseenIsNotRemembered) {
  Write("file", "abc");
  Sighting seen;
  ASSERT_EQ(::stat(Path("file").c_str(), &seen.status), 0);
  files_.Remember(Root(), Path("file"), seen, Sha256("wrong"), false);
  EXPECT_EQ(Look(&files_, "file").content, Sha256("abc"));
}

TEST_F(FileDigestsTest, ForgetsOnDemand) {
  Write("file", "abc");
  PassGranularity();
  Look(&files_, "file");
  files_.Forget();
  Look(&files_, "file");
  EXPECT_EQ(files_.reads(), 2U);
}

TEST_F(FileDigestsTest, ALinkIsNotAFileOfTheSameText) {
  EXPECT_NE(LinkDigest(Root(), "abc"), Sha256("abc"));
  EXPECT_EQ(LinkDigest("/work/app", "/work/app/x"),
            LinkDigest("/home/clone", "/home/clone/x"));
}

}  // namespace
}  // namespace vt::fingerprint
