// SPDX-License-Identifier: Apache-2.0

#include "daemon/track/foreign_changes.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <string>
#include <thread>

#include "absl/time/time.h"
#include <gtest/gtest.h>

#include "daemon/base/unique_fd.h"
#include "tests/support/temp_dir.h"

namespace vt::track {
namespace {

class ForeignChangesTest : public testing::Test {
 protected:
  ForeignChangesTest()
      : root_(std::filesystem::canonical(temp_.path()).string()),
        foreign_(root_) {}

  std::string At(const std::string& name) const { return root_ + "/" + name; }
  void Write(const std::string& name) const {
    std::ofstream(At(name)) << "text";
  }
  void OwnWrite(const std::string& name) {
    foreign_.ExpectWrite(At(name));
    Write(name);
  }
  void OwnRename(const std::string& from, const std::string& to) {
    foreign_.ExpectRename(At(from), At(to));
    Rename(from, to);
  }
  void Rename(const std::string& from, const std::string& to) const {
    ASSERT_EQ(::rename(At(from).c_str(), At(to).c_str()), 0);
  }
  void Remove(const std::string& name) const {
    ASSERT_EQ(::remove(At(name).c_str()), 0);
  }
  // Each time to another one.
  void ChangeMode(const std::string& name) const {
    struct stat st = {};
    ASSERT_EQ(::stat(At(name).c_str(), &st), 0);
    ASSERT_EQ(::chmod(At(name).c_str(), (st.st_mode & 07777) ^ 0100), 0);
  }
  void OwnDirectory(const std::string& name) {
    foreign_.ExpectDirectory(At(name));
    ASSERT_EQ(::mkdir(At(name).c_str(), 0755), 0);
  }
  bool IsChanged(const std::string& name) {
    EXPECT_TRUE(foreign_.Read());
    return foreign_.IsChanged(At(name));
  }
  bool StaysOpen(const std::string& name) {
    return StaysOpenForWriting(At(name), absl::InfinitePast());
  }
  bool IsRemoved(const std::string& name) {
    EXPECT_TRUE(foreign_.Read());
    return foreign_.IsRemoved(At(name));
  }

  test::TempDir temp_;
  const std::string root_;
  ForeignChanges foreign_;
};

TEST_F(ForeignChangesTest, WhatOnlyTheActionDoesIsNobodyElses) {
  OwnWrite("a");
  OwnWrite("a");
  OwnWrite("b.tmp");
  OwnRename("b.tmp", "b");
  OwnDirectory("out");
  OwnWrite("out/c");
  foreign_.ExpectRemoval(At("out/c"));
  Remove("out/c");
  OwnWrite("out/c");
  for (const char* name : {"a", "b", "b.tmp", "out", "out/c"}) {
    EXPECT_FALSE(IsChanged(name)) << name;
  }
}

TEST_F(ForeignChangesTest, AForeignWriteIsSeenAfterAnOwnOne) {
  OwnWrite("a");
  OwnWrite("b");
  EXPECT_FALSE(IsChanged("a"));
  Write("a");
  EXPECT_TRUE(IsChanged("a"));
  EXPECT_FALSE(IsRemoved("a"));
  EXPECT_FALSE(IsChanged("b"));
}

// Who does it may write long after the action has ended.
TEST_F(ForeignChangesTest, AForeignTruncationIsSeenBeforeTheEndOfWriting) {
  OwnWrite("a");
  OwnWrite("b");
  const base::UniqueFd theirs(
      ::open(At("a").c_str(), O_WRONLY | O_TRUNC | O_CLOEXEC));
  EXPECT_TRUE(IsChanged("a"));
  OwnWrite("b");
  ASSERT_EQ(::truncate(At("b").c_str(), 1), 0);
  EXPECT_TRUE(IsChanged("b"));
}

TEST_F(ForeignChangesTest, WhatTheActionDoesToAnOpenFileIsNobodyElses) {
  foreign_.ExpectWrite(At("a"));
  foreign_.ExpectWrite(At("a"));
  const base::UniqueFd first(
      ::open(At("a").c_str(), O_CREAT | O_WRONLY | O_CLOEXEC, 0644));
  Write("a");
  EXPECT_FALSE(IsChanged("a"));
  ASSERT_EQ(::write(first.get(), "more text", 9), 9);
  EXPECT_FALSE(IsChanged("a"));
  ASSERT_EQ(::ftruncate(first.get(), 1), 0);
  EXPECT_FALSE(IsChanged("a"));
}

TEST_F(ForeignChangesTest, OwnTruncationsAreNobodyElses) {
  OwnWrite("a");
  foreign_.ExpectTruncation(At("a"));
  ASSERT_EQ(::truncate(At("a").c_str(), 1), 0);
  EXPECT_FALSE(IsChanged("a"));
}

TEST_F(ForeignChangesTest, WhoHasAFileOpenForWritingIsSeen) {
  Write("a");
  ASSERT_EQ(::mkfifo(At("pipe").c_str(), 0600), 0);
  for (const char* name : {"a", "", "pipe", "missing"}) {
    EXPECT_FALSE(StaysOpen(name)) << name;
  }
  const base::UniqueFd reader(::open(At("a").c_str(), O_RDONLY | O_CLOEXEC));
  EXPECT_FALSE(StaysOpen("a"));
  {
    const base::UniqueFd writer(::open(At("a").c_str(), O_WRONLY | O_CLOEXEC));
    EXPECT_TRUE(StaysOpen("a"));
  }
  EXPECT_FALSE(StaysOpen("a"));
}

TEST_F(ForeignChangesTest, WhoIsAboutToCloseAFileIsWaitedFor) {
  base::UniqueFd writer(
      ::open(At("a").c_str(), O_CREAT | O_WRONLY | O_CLOEXEC, 0644));
  std::thread closer([&writer] { writer.Reset(); });
  EXPECT_FALSE(StaysOpenForWriting(At("a"), absl::InfiniteFuture()));
  closer.join();
}

TEST_F(ForeignChangesTest, AFileThatIsPutIntoItsPlaceIsSeen) {
  OwnWrite("a");
  Write("other");
  Rename("other", "a");
  EXPECT_TRUE(IsChanged("a"));
}

TEST_F(ForeignChangesTest, ForeignPermissionsAreSeen) {
  OwnWrite("a");
  EXPECT_FALSE(IsChanged("a"));
  ChangeMode("a");
  EXPECT_TRUE(IsChanged("a"));
  OwnWrite("draft");
  ChangeMode("draft");
  OwnRename("draft", "b");
  EXPECT_TRUE(IsChanged("b"));
  OwnDirectory("out");
  EXPECT_FALSE(IsChanged("out"));
  ChangeMode("out");
  EXPECT_TRUE(IsChanged("out"));
}

TEST_F(ForeignChangesTest, OwnPermissionsAreNobodyElses) {
  OwnWrite("draft");
  foreign_.ExpectAttributes(At("draft"));
  ChangeMode("draft");
  OwnRename("draft", "a");
  EXPECT_FALSE(IsChanged("a"));
  foreign_.ExpectAttributes(At("a"));
  ChangeMode("a");
  EXPECT_FALSE(IsChanged("a"));
  ChangeMode("a");
  EXPECT_TRUE(IsChanged("a"));
}

// The kernel tells two equal events in a row as one.
TEST_F(ForeignChangesTest, OwnOnesOfAKindHideNoForeignOne) {
  for (int i = 0; i < 2; ++i) {
    foreign_.ExpectWrite(At("a"));
    ::close(::open(At("a").c_str(), O_CREAT | O_WRONLY, 0644));
  }
  Write("a");
  EXPECT_TRUE(IsChanged("a"));
  OwnWrite("b");
  for (int i = 0; i < 2; ++i) {
    foreign_.ExpectAttributes(At("b"));
    ChangeMode("b");
  }
  EXPECT_FALSE(IsChanged("b"));
  ChangeMode("b");
  EXPECT_TRUE(IsChanged("b"));
  OwnWrite("c");
  ChangeMode("c");
  foreign_.ExpectAttributes(At("c"));
  ChangeMode("c");
  EXPECT_TRUE(IsChanged("c"));
  for (int i = 0; i < 2; ++i) {
    foreign_.Watch(At("d"));
    ASSERT_EQ(::symlink("text", At("d").c_str()), 0);
    foreign_.ExpectRemoval(At("d"));
    Remove("d");
  }
  ASSERT_EQ(::symlink("text", At("d").c_str()), 0);
  EXPECT_FALSE(IsChanged("d"));
  Remove("d");
  EXPECT_TRUE(IsChanged("d"));
}

// Another thread renames it first: the event has the name that it has then.
TEST_F(ForeignChangesTest, OwnPermissionsMayComeUnderTheNextName) {
  OwnWrite("draft");
  foreign_.ExpectAttributes(At("draft"));
  OwnRename("draft", "a");
  ChangeMode("a");
  EXPECT_FALSE(IsChanged("a"));
}

TEST_F(ForeignChangesTest, WhoRemovesItIsKnown) {
  OwnWrite("a");
  OwnWrite("b");
  OwnWrite("c");
  foreign_.ExpectRemoval(At("a"));
  Remove("a");
  Remove("b");
  Rename("c", "elsewhere");
  EXPECT_FALSE(IsRemoved("a"));
  EXPECT_TRUE(IsRemoved("b"));
  EXPECT_TRUE(IsRemoved("c"));
}

TEST_F(ForeignChangesTest, WhatWasDoneToADraftIsInWhatItBecomes) {
  OwnWrite("draft");
  Write("draft");
  OwnRename("draft", "a");
  EXPECT_TRUE(IsChanged("a"));
  OwnWrite("source");
  Write("source");
  foreign_.ExpectLink(At("source"), At("link"));
  ASSERT_EQ(::link(At("source").c_str(), At("link").c_str()), 0);
  EXPECT_TRUE(IsChanged("link"));
}

// Its end is told with the name that the file has then.
TEST_F(ForeignChangesTest, AFileThatIsRenamedWhileItIsOpenIsTheActionsOwn) {
  foreign_.ExpectWrite(At("draft"));
  const int fd = ::open(At("draft").c_str(), O_CREAT | O_WRONLY, 0644);
  OwnRename("draft", "a");
  ::close(fd);
  EXPECT_FALSE(IsChanged("a"));
  Write("a");
  EXPECT_TRUE(IsChanged("a"));
}

TEST_F(ForeignChangesTest, ADirectoryTakesWhatIsBelowAlong) {
  OwnDirectory("draft");
  OwnDirectory("draft/deep");
  OwnWrite("draft/deep/a");
  OwnWrite("draft/deep/b");
  Write("draft/deep/b");
  foreign_.ExpectMove(At("draft"), At("out"));
  Rename("draft", "out");
  EXPECT_FALSE(IsChanged("out/deep/a"));
  EXPECT_TRUE(IsChanged("out/deep/b"));
  OwnWrite("out/deep/a");
  EXPECT_FALSE(IsChanged("out/deep/a"));
  Write("out/deep/a");
  EXPECT_TRUE(IsChanged("out/deep/a"));
}

TEST_F(ForeignChangesTest, ADirectoryThatIsMadeAnewIsWatchedAnew) {
  OwnDirectory("out");
  OwnWrite("out/a");
  foreign_.ExpectRemoval(At("out/a"));
  Remove("out/a");
  foreign_.ExpectRemoval(At("out"));
  Remove("out");
  OwnDirectory("out");
  OwnWrite("out/a");
  EXPECT_FALSE(IsChanged("out/a"));
  Write("out/a");
  EXPECT_TRUE(IsChanged("out/a"));
}

TEST_F(ForeignChangesTest, WhatOthersDoForTheActionIsExempt) {
  OwnWrite("a");
  OwnDirectory("out");
  OwnWrite("out/b");
  foreign_.Exempt(At("a"));
  foreign_.Exempt(At("out"));
  Write("a");
  Write("out/b");
  EXPECT_FALSE(IsChanged("a"));
  EXPECT_FALSE(IsChanged("out/b"));
}

// They are used again, for closing them takes long.
TEST_F(ForeignChangesTest, OneKnowsNothingOfThoseBefore) {
  for (int round = 0; round < 3; ++round) {
    ForeignChanges first(root_);
    first.ExpectWrite(At("a"));
    Write("a");
    Write("a");
  }
  ForeignChanges last(root_);
  last.ExpectWrite(At("a"));
  Write("a");
  EXPECT_TRUE(last.Read());
  EXPECT_FALSE(last.IsChanged(At("a")));
}

TEST_F(ForeignChangesTest, MoreThanTheQueueHoldsIsSaid) {
  OwnWrite("a");
  for (int i = 0; i < 9000; ++i) {
    Write(i % 2 == 0 ? "b" : "c");
  }
  EXPECT_FALSE(foreign_.Read());
}

TEST_F(ForeignChangesTest, ManyOwnChangesAreNoOverflow) {
  for (int i = 0; i < 9000; ++i) {
    OwnWrite(i % 2 == 0 ? "b" : "c");
  }
  EXPECT_FALSE(IsChanged("b"));
}

}  // namespace
}  // namespace vt::track
