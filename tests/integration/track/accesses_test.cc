// SPDX-License-Identifier: Apache-2.0
//
// From system calls to accesses, one rule a test (docs/TRACKING.md).

#include <linux/posix_acl.h>
#include <linux/posix_acl_xattr.h>
#include <sys/stat.h>
#include <sys/xattr.h>

#include <cerrno>

#include "tests/integration/track/traced_fixture.h"

namespace vt::test {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using track::Access;
using track::PreState;

class AccessesTest : public TracedTest {};

TEST_F(AccessesTest, ReadFileIsAnInput) {
  Write("a", "1");
  Do({"read:a"});
  EXPECT_EQ(At("a").observed, track::kContent);
  EXPECT_FALSE(At("a").missing);
  EXPECT_FALSE(At("a").mutated);
  EXPECT_THAT(Flaws(), IsEmpty());
}

TEST_F(AccessesTest, KindsAreToldApart) {
  Write("a", "1");
  std::filesystem::create_symlink("a", Path("l"));
  std::filesystem::create_directory(Path("d"));
  Do({"stat:a", "lstat:l", "readlink:l", "access:d", "list:d"});
  EXPECT_EQ(At("a").observed, track::kMetadata);
  EXPECT_EQ(At("l").observed, track::kLinkMetadata | track::kLinkText);
  EXPECT_EQ(At("d").observed, track::kExistence | track::kListing);
}

TEST_F(AccessesTest, FileOpenedAsADirectoryIsNotRead) {
  Write("a", "1");
  Do({"fchdir:a"});
  EXPECT_EQ(At("a").observed, track::kExistence);
}

TEST_F(AccessesTest, ReadThenWriteKeepsTheOldContentAsInput) {
  Write("a", "old");
  Do({"read:a", "write:a:new"});
  const Access a = At("a");
  EXPECT_EQ(a.observed, track::kContent);
  EXPECT_TRUE(a.mutated);
  EXPECT_TRUE(a.is_output);
  EXPECT_EQ(a.pre_state, PreState::kFile);
  EXPECT_EQ(a.pre_digest, TestDigestOf("old"));
  EXPECT_EQ(a.pre_size, 3U);
}

TEST_F(AccessesTest, WriteThenReadIsNoInput) {
  Do({"write:a:new", "read:a", "stat:a"});
  EXPECT_EQ(At("a").observed, 0U);
  EXPECT_EQ(At("a").pre_state, PreState::kMissing);
  EXPECT_THAT(Outputs(), ElementsAre("a"));
}

TEST_F(AccessesTest, ReplacingAnOldFileUnreadIsNoInput) {
  Write("a", "old");
  Do({"write:a:new", "read:a"});
  EXPECT_EQ(At("a").observed, 0U);
  EXPECT_EQ(At("a").pre_digest, std::nullopt);
  EXPECT_THAT(Outputs(), ElementsAre("a"));
}

TEST_F(AccessesTest, WritingTheSameBytesAgainIsStillAnOutput) {
  Write("a", "same");
  Do({"write:a:same"});
  EXPECT_THAT(Outputs(), ElementsAre("a"));
}

TEST_F(AccessesTest, AppendAndUpdateReadWhatTheyChange) {
  Write("a", "1");
  Write("b", "2");
  Do({"append:a:x", "update:b:x"});
  EXPECT_EQ(At("a").observed, track::kContent);
  EXPECT_EQ(At("a").pre_digest, TestDigestOf("1"));
  EXPECT_EQ(At("b").pre_digest, TestDigestOf("2"));
  EXPECT_THAT(Outputs(), ElementsAre("a", "b"));
}

TEST_F(AccessesTest, OpenForWritingWithoutWritingIsNoOutput) {
  Write("a", "1");
  Do({"lock:a"});
  EXPECT_THAT(Outputs(), IsEmpty());
  EXPECT_FALSE(At("a").mutated);
}

TEST_F(AccessesTest, TemporaryAndRenameLeaveOnlyTheTarget) {
  Write("a", "old");
  Do({"write:t:new", "rename:t:a", "read:a"});
  EXPECT_THAT(Outputs(), ElementsAre("a"));
  EXPECT_EQ(At("a").observed, 0U);
  EXPECT_EQ(At("a").pre_digest, TestDigestOf("old"));
  EXPECT_EQ(At("t").observed, 0U);
}

TEST_F(AccessesTest, RemovedOldFileIsADeletionWithItsDigest) {
  Write("a", "old");
  Do({"unlink:a"});
  EXPECT_TRUE(At("a").is_deletion);
  EXPECT_FALSE(At("a").is_output);
  EXPECT_EQ(At("a").pre_digest, TestDigestOf("old"));
  EXPECT_EQ(At("a").observed, 0U);
}

TEST_F(AccessesTest, MovedOldFileIsAnInputAndADeletion) {
  Write("a", "old");
  Do({"rename:a:b", "read:b"});
  EXPECT_EQ(At("a").observed, track::kContent);
  EXPECT_TRUE(At("a").is_deletion);
  EXPECT_EQ(At("a").pre_digest, TestDigestOf("old"));
  EXPECT_EQ(At("b").observed, 0U);
  EXPECT_THAT(Outputs(), ElementsAre("b"));
}

TEST_F(AccessesTest, HardLinkReadsItsSource) {
  Write("a", "old");
  Do({"link:a:b"});
  EXPECT_EQ(At("a").observed, track::kContent);
  EXPECT_THAT(Outputs(), ElementsAre("b"));
  EXPECT_THAT(Flaws(), IsEmpty());
}

TEST_F(AccessesTest, ProbeThenCreateIsAMissingInputAndAnOutput) {
  Do({"stat:a", "write:a:1", "stat:a"});
  EXPECT_EQ(At("a").observed, track::kMetadata);
  EXPECT_TRUE(At("a").missing);
  EXPECT_EQ(At("a").pre_state, PreState::kMissing);
  EXPECT_TRUE(At("a").is_output);
  EXPECT_THAT(Flaws(), IsEmpty());
}

TEST_F(AccessesTest, ExclusiveCreationIsAProbe) {
  Do({"exclusive:a"});
  EXPECT_EQ(At("a").observed, track::kExistence);
  EXPECT_TRUE(At("a").missing);
  EXPECT_TRUE(At("a").is_output);
}

TEST_F(AccessesTest, OfAMissingPathTheEndIsRecorded) {
  Do({"read:no/such/file"});
  EXPECT_FALSE(IsKnown("no"));
  EXPECT_FALSE(IsKnown("no/such"));
  EXPECT_TRUE(At("no/such/file").missing);
  EXPECT_EQ(At("no/such/file").observed, track::kContent);
}

// Were the directory there, the file would be made. That any other is missing
// does not matter.
TEST_F(AccessesTest, WhoCouldNotMakeAFileFoundNoDirectoryForIt) {
  Do({"write:no/such/file:1", "mkdir:no/such/directory", "stat:no/end"});
  EXPECT_TRUE(At("no/such").missing);
  EXPECT_EQ(At("no/such").observed, track::kExistence);
  EXPECT_TRUE(At("no/such/file").missing);
  EXPECT_TRUE(At("no/such/directory").missing);
  EXPECT_FALSE(IsKnown("no"));
  EXPECT_THAT(Outputs(), IsEmpty());
}

TEST_F(AccessesTest, WhatIsNotInAnOwnDirectoryIsAProbe) {
  Do({"mkdir:out", "read:out/config", "read:out/made", "write:out/made"});
  EXPECT_TRUE(At("out/config").missing);
  EXPECT_EQ(At("out/config").observed, track::kContent);
  // Were it there the next time, the action might leave it (decisions H4).
  EXPECT_TRUE(At("out/made").missing);
  EXPECT_EQ(At("out/made").observed, track::kContent);
  EXPECT_EQ(At("out/made").pre_state, PreState::kMissing);
}

TEST_F(AccessesTest, WhatIsNotInALostDirectoryIsNoProbe) {
  Do({"mkdir:temporary", "read:temporary/config", "rmdir:temporary"});
  EXPECT_FALSE(IsKnown("temporary/config"));
}

TEST_F(AccessesTest, FileWhereADirectoryWasWantedIsRecorded) {
  Write("f", "1");
  Do({"stat:f/x"});
  EXPECT_EQ(At("f").observed, track::kExistence);
  EXPECT_FALSE(At("f").missing);
  EXPECT_TRUE(At("f/x").missing);
  EXPECT_TRUE(At("f/x").is_blocked);
}

TEST_F(AccessesTest, WhatComesInTheWayLaterDidNotBlock) {
  Do({"stat:f/x", "write:f:1", "stat:f/y"});
  EXPECT_TRUE(At("f/x").missing);
  EXPECT_FALSE(At("f/x").is_blocked);
  EXPECT_FALSE(IsKnown("f/y"));  // its own file answered
}

TEST_F(AccessesTest, FileThatIsOverwrittenKeepsItsPermissions) {
  Write("a", "old");
  Write("b", "old");
  ::chmod(Path("a").c_str(), 0644);
  ::chmod(Path("b").c_str(), 0700);
  Do({"write:a:new", "write:b:new", "write:c:new"});
  for (const char* name : {"a", "b"}) {
    EXPECT_TRUE(At(name).is_kept);
    EXPECT_EQ(At(name).new_mode, 0644U);
    EXPECT_EQ(At(name).set_mode, std::nullopt);
  }
  EXPECT_EQ(At("a").pre_mode & 07777, 0644U);
  EXPECT_EQ(At("b").pre_mode & 07777, 0700U);
  EXPECT_FALSE(At("c").is_kept);
}

TEST_F(AccessesTest, PermissionsThatTheActionSetAreKnown) {
  Write("a", "old");
  Do({"write:a:new", "chmod:a:600", "chmod:a:755"});
  EXPECT_TRUE(At("a").is_kept);
  EXPECT_EQ(At("a").set_mode, 0755U);
  Write("b", "old");
  Do({"write:b:new", "chmod:b:600", "utimes:b"});
  EXPECT_EQ(At("b").set_mode, 0600U);
}

TEST_F(AccessesTest, FileThatIsReplacedIsNotKept) {
  Write("a", "old");
  Do({"write:b:new", "rename:b:a"});
  EXPECT_FALSE(At("a").is_kept);
  Write("a", "old");
  Do({"unlink:a", "write:a:new"});
  EXPECT_TRUE(At("a").is_output);
  EXPECT_FALSE(At("a").is_kept);
}

// Nothing would have been there to be cut.
TEST_F(AccessesTest, TruncatingMakesNothingNew) {
  Write("a", "old");
  Do({"truncate:a:0"});
  EXPECT_TRUE(At("a").is_kept);
  EXPECT_EQ(At("a").new_mode, std::nullopt);
}

TEST_F(AccessesTest, PermissionsAreThoseOfTheUmask) {
  Write("a", "old");
  std::filesystem::create_directory(Path("d"));
  Run({"/bin/sh", "-c", "umask 027; echo new > a; mkdir d; :"});
  EXPECT_EQ(At("a").new_mode, 0640U);
  EXPECT_EQ(At("d").ensured_mode, 0750U);
}

// acl(5): what is made in such a directory has the permissions of its list that
// the call asked for. The umask does not count.
TEST_F(AccessesTest, PermissionsAreThoseOfADefaultAccessControlList) {
  struct {
    posix_acl_xattr_header header = {POSIX_ACL_XATTR_VERSION};
    posix_acl_xattr_entry entries[5] = {{ACL_USER_OBJ, 7, 0},
                                        {ACL_USER, 7, 65534},
                                        {ACL_GROUP_OBJ, 5, 0},
                                        {ACL_MASK, 6, 0},
                                        {ACL_OTHER, 4, 0}};
  } list;
  if (::setxattr(root_.c_str(), "system.posix_acl_default", &list, sizeof list,
                 0) != 0) {
    ASSERT_EQ(errno, EOPNOTSUPP);
    GTEST_SKIP() << "REQUIRES(acl): the file system has no lists";
  }
  Write("a", "old");
  std::filesystem::create_directory(Path("d"));
  Run({"/bin/sh", "-c", "umask 027; echo > a; echo > b; mkdir d; mkdir e; :"});
  struct stat made;
  ASSERT_EQ(::stat(Path("b").c_str(), &made), 0);
  EXPECT_EQ(made.st_mode & 07777, 0664U);
  EXPECT_EQ(At("a").new_mode, 0664U);
  ASSERT_EQ(::stat(Path("e").c_str(), &made), 0);
  EXPECT_EQ(made.st_mode & 07777, 0764U);
  EXPECT_EQ(At("d").ensured_mode, 0764U);
}

// Without a mask the group's own entry counts.
TEST_F(AccessesTest, PermissionsAreThoseOfAShortAccessControlList) {
  struct {
    posix_acl_xattr_header header = {POSIX_ACL_XATTR_VERSION};
    posix_acl_xattr_entry entries[3] = {
        {ACL_USER_OBJ, 6, 0}, {ACL_GROUP_OBJ, 6, 0}, {ACL_OTHER, 0, 0}};
  } list;
  if (::setxattr(root_.c_str(), "system.posix_acl_default", &list, sizeof list,
                 0) != 0) {
    ASSERT_EQ(errno, EOPNOTSUPP);
    GTEST_SKIP() << "REQUIRES(acl): the file system has no lists";
  }
  Write("a", "old");
  Run({"/bin/sh", "-c", "echo > a; echo > b"});
  struct stat made;
  ASSERT_EQ(::stat(Path("b").c_str(), &made), 0);
  EXPECT_EQ(made.st_mode & 07777, 0660U);
  EXPECT_EQ(At("a").new_mode, 0660U);
}

TEST_F(AccessesTest, FileThatIsTakenForADirectoryIsNotMissing) {
  Write("f", "1");
  Do({"stat:f/.", "append:f/.:x", "stat:f/x/.", "read:f"});
  EXPECT_THAT(Flaws(), IsEmpty());
  EXPECT_EQ(At("f").observed, track::kContent | track::kExistence);
  EXPECT_FALSE(At("f").missing);
  EXPECT_TRUE(At("f/x").missing);
}

TEST_F(AccessesTest, DirectoryBehindOneThatIsMissingIsNot) {
  Do({"append:gone/../a:x", "append:gone/.:x", "stat:."});
  EXPECT_THAT(Flaws(), IsEmpty());
  EXPECT_TRUE(At("gone").missing);
  EXPECT_FALSE(At(root_).missing);
}

// The call failed, and the program was told.
TEST_F(AccessesTest, WhatWasMissingWhenItShouldBeChangedWasMissing) {
  Do({"unlink:a", "write:a:1", "chmod:b:600", "write:b:1", "rename:c:x",
      "write:c:1", "truncate:d:0", "write:d:1"});
  for (const char* name : {"a", "b", "c", "d"}) {
    EXPECT_EQ(At(name).observed, track::kExistence) << name;
    EXPECT_TRUE(At(name).missing) << name;
    EXPECT_TRUE(At(name).is_output) << name;
  }
}

TEST_F(AccessesTest, WhatCouldNotBeMadeIsStillMissing) {
  Do({"link:nowhere:a", "stat:a", "write:a:1", "stat:a"});
  EXPECT_NE(At("a").observed & track::kMetadata, 0U);
  EXPECT_TRUE(At("a").missing);
  EXPECT_TRUE(At("a").is_output);
  Do({"write:t:1", "unlink:t", "stat:t"});
  EXPECT_EQ(At("t").observed, 0U);
}

// mkdir does not follow the link; what is looked for is missing all the same.
TEST_F(AccessesTest, WhatIsMissingInADirectoryThatCouldNotBeMadeIsMissing) {
  std::filesystem::create_symlink("d", Path("l"));
  Do({"stat:l/x", "mkdir:l/"});
  EXPECT_TRUE(At("d/x").missing);
  EXPECT_EQ(At("d/x").observed, track::kMetadata);
}

// As package managers do: they look, and then make a link to a directory.
TEST_F(AccessesTest, WhatAppearsBehindAnOwnLinkIsNobodyElsesChange) {
  std::filesystem::create_directory(Path("store"));
  Write("store/file", "1");
  Do({"stat:module/file", "symlink:store:module", "read:module/file"});
  EXPECT_THAT(Flaws(), IsEmpty());
  EXPECT_TRUE(At("module/file").missing);
  EXPECT_EQ(At("store/file").observed, track::kContent);
}

// Over one that is not empty a directory is not renamed.
TEST_F(AccessesTest, OldDirectoryThatIsNotReplacedKeepsItsInputs) {
  std::filesystem::create_directories(Path("dist/sub"));
  Write("dist/old", "1");
  Write("dist/sub/old", "1");
  Do({"mkdir:t", "mkdir:t/sub", "write:t/new:2", "rename:t:dist",
      "read:dist/old", "read:dist/sub/old"});
  EXPECT_EQ(At("dist/old").observed, track::kContent);
  EXPECT_EQ(At("dist/sub/old").observed, track::kContent);
  EXPECT_THAT(Flaws(), IsEmpty());
}

TEST_F(AccessesTest, OldDirectoryThatIsReplacedHasOwnProducts) {
  std::filesystem::create_directory(Path("dist"));
  Do({"mkdir:t", "mkdir:t/sub", "write:t/sub/new:2", "rename:t:dist",
      "read:dist/sub/new", "write:dist/more:3", "read:dist/more"});
  EXPECT_EQ(At("dist/sub/new").observed, 0U);
  EXPECT_EQ(At("dist/more").observed, 0U);
  EXPECT_THAT(Outputs(), testing::IsSupersetOf({"dist/sub/new", "dist/more"}));
}

// As `mkdir -p` of Node, Python and Rust.
TEST_F(AccessesTest, WhoLooksAfterMkdirFailedMakesTheWholeWay) {
  std::filesystem::create_directories(Path("a/b"));
  std::filesystem::create_directories(Path("c/d"));
  Do({"stat:c/d", "mkdir:a/b", "stat:a/b", "mkdir:c/d", "mkdir:e", "stat:e"});
  EXPECT_TRUE(At("a/b").is_ensured);
  EXPECT_TRUE(At("a/b").makes_parents);
  EXPECT_TRUE(At("c/d").is_ensured);
  EXPECT_FALSE(At("c/d").makes_parents);
  EXPECT_FALSE(At("e").makes_parents);
}

TEST_F(AccessesTest, EveryLinkOnTheWayIsAnInputAndTheTargetIsResolved) {
  std::filesystem::create_directory(Path("real"));
  Write("real/file", "1");
  std::filesystem::create_symlink("real", Path("one"));
  std::filesystem::create_symlink("one/file", Path("two"));
  Do({"read:two"});
  EXPECT_EQ(At("two").observed, track::kLinkText);
  EXPECT_EQ(At("one").observed, track::kLinkText);
  EXPECT_EQ(At("real/file").observed, track::kContent);
  EXPECT_FALSE(IsKnown("one/file"));
}

TEST_F(AccessesTest, DotDotBehindALinkGoesWhereTheKernelGoes) {
  std::filesystem::create_directories(Path("x/y"));
  Write("x/file", "1");
  std::filesystem::create_symlink("x/y", Path("l"));
  Do({"read:l/../file"});
  EXPECT_EQ(At("x/file").observed, track::kContent);
  EXPECT_FALSE(IsKnown("file"));
}

TEST_F(AccessesTest, OwnLinkIsNoInputButWhatItLeadsToIs) {
  Write("old", "1");
  Do({"symlink:old:l", "read:l"});
  // symlink(2) would have failed on what is there.
  EXPECT_EQ(At("l").observed, track::kExistence);
  EXPECT_TRUE(At("l").missing);
  EXPECT_EQ(At("old").observed, track::kContent);
  EXPECT_THAT(Outputs(), ElementsAre("l"));
}

TEST_F(AccessesTest, LinkThatIsTurnedLeadsToBothTargets) {
  Write("v1", "1");
  Write("v2", "2");
  std::filesystem::create_symlink("v1", Path("l"));
  Do({"read:l", "symlink:v2:t", "rename:t:l", "read:l"});
  EXPECT_EQ(At("v1").observed, track::kContent);
  EXPECT_EQ(At("v2").observed, track::kContent);
  EXPECT_EQ(At("l").observed, track::kLinkText);
  EXPECT_EQ(At("l").pre_state, PreState::kSymlink);
}

TEST_F(AccessesTest, OwnDirectoryTakesItsFilesAlongWhenRenamed) {
  Do({"mkdir:t", "mkdir:t/s", "write:t/s/f:1", "rename:t:d", "read:d/s/f",
      "stat:d/nothing", "list:d"});
  EXPECT_THAT(Outputs(), ElementsAre("d", "d/s", "d/s/f"));
  EXPECT_EQ(At("d/s/f").observed, 0U);
  // Next time `d` may be there already, with something of that name in it.
  EXPECT_TRUE(At("d/nothing").missing);
  // A directory with something in it would not have been replaced.
  EXPECT_TRUE(At("d").missing);
  EXPECT_TRUE(IsInput("d"));
  EXPECT_THAT(Flaws(), IsEmpty());
}

TEST_F(AccessesTest, RenamingAnOldDirectoryIsNotStored) {
  std::filesystem::create_directory(Path("old"));
  Write("old/f", "1");
  Do({"rename:old:new"});
  EXPECT_THAT(Flaws(), ElementsAre(track::kTrackingIncomplete));
}

TEST_F(AccessesTest, RenamingAnOldDirectoryInVainIsHarmless) {
  std::filesystem::create_directories(Path("old"));
  std::filesystem::create_directories(Path("full"));
  Write("full/f", "1");
  Do({"rename:old:full", "read:full/f"});
  EXPECT_THAT(Flaws(), IsEmpty());
  EXPECT_EQ(At("full/f").observed, track::kContent);
  EXPECT_THAT(Outputs(), IsEmpty());
}

TEST_F(AccessesTest, RemovedAndMadeAgainDirectoryIsAnOutput) {
  std::filesystem::create_directory(Path("dist"));
  Write("dist/old", "1");
  Do({"list:dist", "unlink:dist/old", "rmdir:dist", "mkdir:dist",
      "write:dist/new:1"});
  EXPECT_THAT(Outputs(), ElementsAre("dist", "dist/new"));
  EXPECT_EQ(At("dist").observed, track::kListing);
  EXPECT_TRUE(At("dist/old").is_deletion);
}

TEST_F(AccessesTest, MakingADirectoryThatIsThereIsAProbe) {
  std::filesystem::create_directory(Path("d"));
  Do({"mkdir:d", "write:d/f:1", "list:d"});
  EXPECT_FALSE(At("d").mutated);
  EXPECT_EQ(At("d").observed, track::kExistence | track::kListing);
  EXPECT_THAT(Outputs(), ElementsAre("d/f"));
}

TEST_F(AccessesTest, SlashAtTheEndChangesNothing) {
  std::filesystem::create_directory(Path("old"));
  std::filesystem::create_symlink("old", Path("l"));
  Do({"mkdir:d/", "mkdir:d/e//", "write:d/e/f:1", "stat:no/such/", "list:l/",
      "rmdir:old/"});
  EXPECT_THAT(Outputs(), ElementsAre("d", "d/e", "d/e/f"));
  EXPECT_TRUE(At("no/such").missing);
  EXPECT_EQ(At("l").observed, track::kLinkText);
  EXPECT_EQ(At("old").observed, track::kListing);
  EXPECT_TRUE(At("old").is_deletion);
}

TEST_F(AccessesTest, FailedChangesAreObservations) {
  std::filesystem::create_directory(Path("full"));
  Write("full/f", "1");
  Do({"unlink:gone", "rmdir:full", "rename:nothing:x", "chmod:absent:600",
      "truncate:short:3", "truncate:empty:0", "list:full"});
  for (const char* name : {"gone", "nothing", "absent", "short", "empty"}) {
    EXPECT_TRUE(At(name).missing) << name;
    EXPECT_EQ(At(name).observed, track::kExistence) << name;
    EXPECT_FALSE(At(name).mutated) << name;
  }
  EXPECT_FALSE(At("full").mutated);
  EXPECT_EQ(At("full").observed, track::kExistence | track::kListing);
  EXPECT_THAT(Outputs(), IsEmpty());
}

// EINVAL of rename(2): what is in there stays what it was.
TEST_F(AccessesTest, ADirectoryDoesNotGoIntoItself) {
  for (const char* name : {"d", "d/sub", "up", "up/e"}) {
    std::filesystem::create_directory(Path(name));
  }
  Write("d/f", "1");
  Write("up/e/f", "2");
  Do({"stat:d/f", "write:d/g:1", "rename:d:d/sub", "rename:d:d/sub/new",
      "exchange:up:up/e", "exchange:up/e:up", "rename:up:up/gone/x", "read:d/f",
      "read:up/e/f"});
  EXPECT_TRUE(IsInput("d/f"));
  EXPECT_TRUE(IsInput("up/e/f"));
  // There it is ENOENT.
  EXPECT_TRUE(At("up/gone").missing);
  EXPECT_EQ(At("up/gone").observed, track::kExistence);
  for (const char* name : {"d", "d/f", "d/sub", "up", "up/e", "up/e/f"}) {
    EXPECT_FALSE(At(name).mutated) << name;
  }
  for (const Access& access : set_.accesses) {
    EXPECT_TRUE(!access.mutated || access.path == Path("d/g")) << access.path;
  }
  EXPECT_THAT(Outputs(), ElementsAre("d/g"));
}

TEST_F(AccessesTest, CreatedAndRemovedLeavesNothing) {
  Do({"write:t:1", "unlink:t", "mkdir:d", "write:d/x:1", "unlink:d/x",
      "rmdir:d"});
  EXPECT_THAT(Outputs(), IsEmpty());
  EXPECT_FALSE(IsInput("t"));
  // mkdir(2) would have failed on what is there.
  EXPECT_EQ(At("d").observed, track::kExistence);
  EXPECT_TRUE(At("d").missing);
  EXPECT_FALSE(At("t").is_deletion);
}

TEST_F(AccessesTest, ExchangedFilesAreBothReadAndWritten) {
  Write("a", "1");
  Write("b", "2");
  Do({"exchange:a:b"});
  EXPECT_THAT(Outputs(), ElementsAre("a", "b"));
  EXPECT_EQ(At("a").pre_digest, TestDigestOf("1"));
  EXPECT_EQ(At("b").pre_digest, TestDigestOf("2"));
  EXPECT_EQ(At("a").observed, track::kContent);
  EXPECT_EQ(At("b").observed, track::kContent);
}

TEST_F(AccessesTest, NamelessFileThatGetsANameIsCreated) {
  Do({"tmpfile:a", "read:a"});
  EXPECT_THAT(Outputs(), ElementsAre("a"));
  // linkat(2) would have failed on what is there.
  EXPECT_EQ(At("a").observed, track::kExistence);
  EXPECT_TRUE(At("a").missing);
}

TEST_F(AccessesTest, ModeChangeIsAnOutputThatDependsOnTheContent) {
  Write("a", "1");
  Do({"chmod:a:755"});
  EXPECT_THAT(Outputs(), ElementsAre("a"));
  EXPECT_EQ(At("a").observed, track::kContent);
  EXPECT_EQ(At("a").pre_digest, TestDigestOf("1"));
}

TEST_F(AccessesTest, TouchedFileKeepsItsDigest) {
  Write("a", "1");
  Do({"utimes:a", "read:a"});
  EXPECT_EQ(At("a").pre_digest, TestDigestOf("1"));
  EXPECT_THAT(Flaws(), IsEmpty());
}

TEST_F(AccessesTest, ChangesOutsideTheWorkspaceAreNoOutputs) {
  const std::string outside = (temp_.path() / "outside").string();
  std::ofstream(outside) << "1";
  Do({"chmod:" + outside + ":600", "write:" + outside + "2:1",
      "read:" + outside + "2"});
  EXPECT_FALSE(At(outside).is_output);
  EXPECT_EQ(At(outside).observed & track::kContent, 0U);
  EXPECT_FALSE(At(outside + "2").is_output);
  EXPECT_EQ(At(outside + "2").observed, 0U);
}

TEST_F(AccessesTest, NamesAreBytes) {
  const std::string name = "new\nline-\xff\xfe";
  Write(name, "1");
  Do({"read:" + name, "stat:missing-\xff"});
  EXPECT_EQ(At(name).observed, track::kContent);
  EXPECT_TRUE(At("missing-\xff").missing);
}

// The kernel walks them from the working directory; we cannot name them.
TEST_F(AccessesTest, NamesBeyondTheLimitOfANameAreNotStored) {
  const std::string step(200, 'd');
  std::vector<std::string> ops;
  for (int i = 0; i < 19; ++i) {
    ops.push_back("mkdir:" + step);
    ops.push_back("chdir:" + step);
  }
  Do(ops);
  EXPECT_THAT(Flaws(), IsEmpty());
  // The directory can still be named, what is in it cannot.
  ops.push_back("mkdir:" + step);
  ops.push_back("write:" + step + "/" + step + ":x");
  Do(ops);
  EXPECT_THAT(Flaws(), ElementsAre(track::kTrackingIncomplete));
  // Nor can the directory.
  ops.insert(ops.end() - 1,
             {"chdir:" + step, "mkdir:" + step, "chdir:" + step});
  ops.back() = "read:x";
  Do(ops);
  EXPECT_THAT(Flaws(), ElementsAre(track::kTrackingIncomplete));
}

TEST_F(AccessesTest, RelativeNamesFollowTheDirectory) {
  std::filesystem::create_directories(Path("d/e"));
  Write("d/f", "1");
  Write("d/e/g", "1");
  Do({"chdir:d", "read:f", "fchdir:e", "read:g", "openat:..:f",
      "stat:../../top"});
  EXPECT_EQ(At("d/f").observed, track::kContent);
  EXPECT_EQ(At("d/e/g").observed, track::kContent);
  EXPECT_TRUE(At("top").missing);
  EXPECT_FALSE(IsKnown("f"));
}

TEST_F(AccessesTest, DescriptorsByNameAreTheirFiles) {
  Write("a", "1");
  Write("b", "1");
  Do({"reopen:a:/proc/self/fd", "reopen:b:/dev/fd"});
  // The library asks for the links on the way by another call.
  constexpr uint32_t kBits = ~uint32_t{track::kExistence};
  EXPECT_EQ(At("a").observed & kBits, track::kContent | track::kMetadata);
  EXPECT_EQ(At("b").observed & kBits, track::kContent | track::kMetadata);
  for (const Access& access : set_.accesses) {
    EXPECT_NE(access.path.rfind("/proc", 0), 0U) << access.path;
    EXPECT_NE(access.path.rfind("/dev", 0), 0U) << access.path;
  }
}

// Rule R1 of docs/TRACKING.md: in this form passes every fstat().
TEST_F(AccessesTest, RawProbeInTheFormOfFstatIsSeenByStrictTrackingOnly) {
  std::filesystem::create_directory(Path("d"));
  Write("d/a", "1");
  Do({"fstatraw:d:a", "fstatraw:d:missing", "fstatraw:d:"});
  EXPECT_FALSE(IsKnown("d/a"));
  EXPECT_FALSE(IsKnown("d/missing"));
  strict_ = true;
  Do({"fstatraw:d:a", "fstatraw:d:missing", "fstatraw:d:"});
  EXPECT_EQ(At("d/a").observed, track::kMetadata);
  EXPECT_FALSE(At("d/a").missing);
  EXPECT_EQ(At("d/missing").observed, track::kMetadata);
  EXPECT_TRUE(At("d/missing").missing);
  EXPECT_EQ(At("d").observed, track::kMetadata);
  EXPECT_THAT(Flaws(), IsEmpty());
}

TEST_F(AccessesTest, OwnDirectoriesAreLeftOut) {
  std::filesystem::create_directory(Path("ours"));
  own_directories_ = {Path("ours")};
  Do({"stat:ours/x", "write:ours/y:1"});
  EXPECT_FALSE(IsKnown("ours/x"));
  EXPECT_FALSE(IsKnown("ours/y"));
}

TEST_F(AccessesTest, FileTooLargeToRememberIsNotStored) {
  Write("big", "");
  std::filesystem::resize_file(Path("big"), 17 << 20);
  Do({"unlink:big"});
  EXPECT_THAT(Flaws(), ElementsAre(track::kDeviceOrLimit));
}

TEST_F(AccessesTest, LargeFileMadeAnewNeedsNoMemory) {
  Write("big", "");
  std::filesystem::resize_file(Path("big"), 17 << 20);
  Do({"unlink:big", "write:big:x"});
  EXPECT_THAT(Flaws(), IsEmpty());
  EXPECT_THAT(Outputs(), ElementsAre("big"));
}

}  // namespace
}  // namespace vt::test
