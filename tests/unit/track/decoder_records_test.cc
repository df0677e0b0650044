// SPDX-License-Identifier: Apache-2.0
//
// Signed records are read late. Whatever the order in which the daemon hears of
// things, the same set must come out: each script runs once with all its calls
// notified, and once with its reads signed, in fresh directories of one name.

#include <fcntl.h>
#include <sched.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "daemon/track/arena.h"
#include "daemon/track/decoder.h"
#include "daemon/track/not_stored.h"
#include "daemon/track/syscall_numbers.h"
#include "tests/support/temp_dir.h"
#include "tests/unit/track/fake_process.h"

namespace vt::track {
namespace {

namespace fs = std::filesystem;
using test::FakeProcess;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using Script = std::function<void(FakeProcess&)>;

std::optional<base::Digest> DigestOf(const std::string& path) {
  std::ifstream in(path);
  if (!in) {
    return std::nullopt;
  }
  const std::string bytes{std::istreambuf_iterator<char>(in), {}};
  base::Digest digest;
  const uint64_t words[2] = {std::hash<std::string>()(bytes), bytes.size() + 1};
  std::memcpy(digest.bytes.data(), words, sizeof words);
  return digest;
}

void Put(const std::string& path, const std::string& content) {
  std::ofstream(path) << content;
}

// What counts of an observation of something that the action then changed. Its
// content says all that its metadata says; whether that was looked at between
// opening it for writing and the first write cannot be told late.
uint32_t Essence(const Access& access) {
  constexpr uint32_t kWeaker = kMetadata | kLinkMetadata | kExistence;
  return access.mutated && (access.observed & kContent) != 0
             ? access.observed & ~kWeaker
             : access.observed;
}

// All of an access but how and by whom it is known.
std::string Describe(const Access& access, const std::string& root) {
  const bool is_below = absl::StartsWith(access.path, root);
  std::string text = absl::StrCat(
      is_below ? access.path.substr(root.size()) : access.path,
      access.missing ? " missing"  // however it was looked for
                     : absl::StrCat(" observed=", Essence(access)));
  if (access.mutated) {
    absl::StrAppend(&text, " mutated was=", static_cast<int>(access.pre_state),
                    " size=", access.pre_size, " mode=", access.pre_mode,
                    access.pre_digest ? " digest=" : "");
    if (access.pre_digest) {
      absl::StrAppend(&text, access.pre_digest->ToHex().substr(0, 16));
    }
  }
  absl::StrAppend(&text, access.is_output ? " output" : "",
                  access.is_deletion ? " deletion" : "");
  return text;
}

std::vector<std::string> Describe(const AccessSet& set,
                                  const std::string& root) {
  std::vector<std::string> lines;
  for (const Access& access : set.accesses) {
    lines.push_back(Describe(access, root));
  }
  for (const Flaw& flaw : set.flaws) {
    lines.push_back(
        absl::StrCat("FLAW ", flaw.reason, " ", flaw.text, " ", flaw.path));
  }
  return lines;
}

class DecoderRecordsTest : public testing::Test {
 protected:
  DecoderRecordsTest()
      : home_(fs::current_path()),
        root_((temp_.path() / "work").string()) {}
  ~DecoderRecordsTest() override { fs::current_path(home_); }

  TrackerOptions Options() const {
    TrackerOptions options;
    options.tier.level = 1;
    options.tier.can_sign = true;
    options.preload = "/usr/lib/vtask/vt_preload.so";
    options.signature = 42;
    options.workspace_root = root_;
    options.digest = &DigestOf;
    options.file_clock = [clock = file_clock_ns_] {
      return base::FileClock{clock, clock};
    };
    return options;
  }

  // A fresh workspace, and a process in it.
  void Begin(bool signs) {
    fs::current_path(home_);
    fs::remove_all(root_);
    fs::create_directory(root_);
    fs::current_path(root_);
    if (prepare_) {
      prepare_();
    }
    decoder_ = std::make_unique<Decoder>(Options());
    process_ = std::make_unique<FakeProcess>(decoder_.get(), signs);
  }
  AccessSet End() {
    process_.reset();
    AccessSet set = decoder_->Finish();
    decoder_.reset();
    return set;
  }
  AccessSet Run(bool signs, const Script& script) {
    Begin(signs);
    script(*process_);
    notified_ = process_->notified();
    return End();
  }
  // Returns what both ways give; fails if they differ.
  AccessSet RunBoth(const Script& script) {
    const AccessSet early = Run(/*signs=*/false, script);
    AccessSet late = Run(/*signs=*/true, script);
    EXPECT_EQ(Describe(late, root_), Describe(early, root_));
    return late;
  }
  std::string Path(const std::string& name) const {
    return absl::StrCat(root_, "/", name);
  }
  static Access At(const AccessSet& set, const std::string& path) {
    for (const Access& access : set.accesses) {
      if (access.path == path) {
        return access;
      }
    }
    return {};
  }
  static std::vector<int> Reasons(const AccessSet& set) {
    std::vector<int> reasons;
    for (const Flaw& flaw : set.flaws) {
      reasons.push_back(flaw.reason);
    }
    return reasons;
  }

  const fs::path home_;
  test::TempDir temp_;
  const std::string root_;
  std::function<void()> prepare_;
  int64_t file_clock_ns_ = 0;
  std::unique_ptr<Decoder> decoder_;
  std::unique_ptr<FakeProcess> process_;
  uint64_t notified_ = 0;
};

TEST_F(DecoderRecordsTest, ReadsOfEveryKindAreTheSame) {
  prepare_ = [] {
    Put("a", "1");
    fs::create_directory("d");
    fs::create_symlink("a", "l");
    fs::create_symlink("nowhere", "dangling");
    fs::create_symlink("loop", "loop");
  };
  for (const char* name :
       {"a", "d", "l", "dangling", "loop", "no", "no/x", "a/x", "l/", "d/",
        "d/../a", "no/../a", "./a", "a/", "d//."}) {
    const AccessSet set = RunBoth([&](FakeProcess& p) {
      p.Read(name);
      p.ReadNoFollow(name);
      p.List(name);
      p.Stat(name);
      p.Lstat(name);
      p.Access(name);
      p.Readlink(name);
      p.Read(Path(name));
    });
    EXPECT_THAT(set.flaws, IsEmpty()) << name;
    EXPECT_EQ(set.signed_records, 8U) << name;
  }
}

TEST_F(DecoderRecordsTest, SignedReadsAreNotNotified) {
  Run(/*signs=*/true, [](FakeProcess& p) {
    for (int i = 0; i < 50; ++i) {
      p.Stat(absl::StrCat("x", i));
    }
  });
  EXPECT_EQ(notified_, 1U);  // the hello
}

TEST_F(DecoderRecordsTest, HowAndByWhomItIsKnownIsTold) {
  prepare_ = [] { Put("a", "1"), Put("b", "1"), Put("c", "1"); };
  Begin(/*signs=*/true);
  FakeProcess plain(decoder_.get(), /*signs=*/false);
  process_->Read("a");
  process_->Read("b");
  plain.Read("b");
  plain.Read("c");
  const AccessSet set = End();
  EXPECT_TRUE(At(set, Path("a")).by_record);
  EXPECT_FALSE(At(set, Path("a")).by_notification);
  EXPECT_TRUE(At(set, Path("b")).by_record);
  EXPECT_TRUE(At(set, Path("b")).by_notification);
  EXPECT_FALSE(At(set, Path("c")).by_record);
  EXPECT_TRUE(At(set, Path("c")).by_notification);
  EXPECT_EQ(set.attachments, 1U);
  ASSERT_EQ(set.programs.size(), 1U);
  EXPECT_THAT(set.programs[0], HasSubstr("vt_track_test"));
  for (const Access& access : set.accesses) {
    EXPECT_EQ(access.first_program, 0) << access.path;
  }
}

TEST_F(DecoderRecordsTest, ProbeThenCreateKeepsTheProbe) {
  const AccessSet set = RunBoth([](FakeProcess& p) {
    p.Stat("a");
    p.Write("a", "1");
    p.Read("a");
  });
  EXPECT_TRUE(At(set, Path("a")).missing);
  EXPECT_EQ(At(set, Path("a")).observed, kMetadata);
  EXPECT_TRUE(At(set, Path("a")).is_output);
}

TEST_F(DecoderRecordsTest, CreateThenReadIsNoInput) {
  const AccessSet set = RunBoth([](FakeProcess& p) {
    p.Write("a", "1");
    p.Read("a");
    p.Unlink("a");
    p.Read("a");
    p.Write("a", "2");
    p.Stat("a");
  });
  EXPECT_EQ(At(set, Path("a")).observed, 0U);
}

TEST_F(DecoderRecordsTest, CreatingDoesNotReadTheArena) {
  Begin(/*signs=*/true);
  process_->Read("nothing");
  process_->Write("new", "1");
  process_->Mkdir("dir");
  process_->Symlink("dir", "link");
  process_->Write("dir/x", "1");
  process_->Unlink("new");
  EXPECT_TRUE(process_->arena()->may_sign());
  process_.reset();
  EXPECT_EQ(decoder_->Finish().signed_records, 1U);
}

TEST_F(DecoderRecordsTest, NameBelowADirectoryThatIsThenMade) {
  const AccessSet set = RunBoth([](FakeProcess& p) {
    p.Read("d/x");  // d is missing
    p.Mkdir("d");
    p.Read("d/x");  // x is missing
    p.Read("d/y");
    p.Write("d/y", "1");
    p.Read("d/y");
    p.Stat("d");
  });
  EXPECT_TRUE(At(set, Path("d")).missing);
  EXPECT_EQ(At(set, Path("d")).observed, kExistence);
  EXPECT_TRUE(At(set, Path("d/x")).missing);
  EXPECT_TRUE(At(set, Path("d/y")).missing);
  EXPECT_EQ(At(set, Path("d/y")).observed, kContent);
  EXPECT_EQ(At(set, Path("d/y")).pre_state, PreState::kMissing);
}

TEST_F(DecoderRecordsTest, NameThroughALinkThatIsThenMade) {
  prepare_ = [] {
    fs::create_directory("real");
    Put("real/x", "1");
  };
  const AccessSet set = RunBoth([](FakeProcess& p) {
    p.Read("l/x");
    p.Symlink("real", "l");
    p.Read("l/x");
    p.Lstat("l/x");
  });
  EXPECT_TRUE(At(set, Path("l")).missing);
  EXPECT_EQ(At(set, Path("real/x")).observed, kContent | kLinkMetadata);
}

TEST_F(DecoderRecordsTest, DotDotBehindADirectoryThatIsThenMade) {
  prepare_ = [] { Put("a", "1"); };
  const AccessSet set = RunBoth([](FakeProcess& p) {
    p.Read("out/../a");  // ENOENT: out is missing
    p.Mkdir("out");
    p.Read("out/../a");
  });
  EXPECT_TRUE(At(set, Path("out")).missing);
  EXPECT_EQ(At(set, Path("a")).observed, kContent);
}

TEST_F(DecoderRecordsTest, DotDotBehindADirectoryThatIsThenRemoved) {
  prepare_ = [] { Put("a", "1"); };
  const AccessSet set = RunBoth([](FakeProcess& p) {
    p.Mkdir("out");
    p.Read("out/../a");
    p.Rmdir("out");
  });
  EXPECT_EQ(At(set, Path("a")).observed, kContent);
}

TEST_F(DecoderRecordsTest, OldFileReadThenReplaced) {
  prepare_ = [] { Put("a", "old"); };
  for (const bool by_rename : {false, true}) {
    const AccessSet set = RunBoth([&](FakeProcess& p) {
      p.Read("a");
      if (by_rename) {
        p.Write("t", "new");
        p.Rename("t", "a");
      } else {
        p.Write("a", "new");
      }
      p.Read("a");
    });
    EXPECT_EQ(At(set, Path("a")).observed, kContent);
    EXPECT_TRUE(At(set, Path("a")).pre_digest.has_value());
  }
}

TEST_F(DecoderRecordsTest, OldFileReplacedThenRead) {
  prepare_ = [] { Put("a", "old"); };
  const AccessSet set = RunBoth([&](FakeProcess& p) {
    p.Stat("other");
    p.Write("a", "new");
    p.Read("a");  // plain: the daemon does not know yet that it is over
    p.Read("a");  // signed
    p.Stat("a");
  });
  EXPECT_EQ(At(set, Path("a")).observed, 0U);
  EXPECT_FALSE(At(set, Path("a")).pre_digest.has_value());
}

TEST_F(DecoderRecordsTest, TurnedLinkLeadsToBoth) {
  prepare_ = [] {
    Put("one", "1");
    Put("two", "2");
    fs::create_symlink("one", "l");
  };
  const AccessSet set = RunBoth([](FakeProcess& p) {
    p.Read("l");
    p.Symlink("two", "t");
    p.Rename("t", "l");
    p.Read("l");
    p.Unlink("l");
    p.Symlink("one", "l");
    p.Stat("l");
  });
  EXPECT_EQ(At(set, Path("one")).observed, kContent | kMetadata);
  EXPECT_EQ(At(set, Path("two")).observed, kContent);
  EXPECT_EQ(At(set, Path("l")).observed, kLinkText);
}

TEST_F(DecoderRecordsTest, OwnDirectoryIsRenamed) {
  const AccessSet set = RunBoth([](FakeProcess& p) {
    p.Stat("d/f");
    p.Mkdir("t");
    p.Write("t/f", "1");
    p.Read("t/f");
    p.Stat("t/no");
    p.Rename("t", "d");
    p.Read("d/f");
    p.Stat("d/nothing");
    p.Read("t/f");
  });
  EXPECT_TRUE(At(set, Path("d")).missing);
  EXPECT_TRUE(At(set, Path("d/f")).is_output);
  EXPECT_TRUE(At(set, Path("d/nothing")).missing);
}

// It would not take the place of a directory with something in it.
TEST_F(DecoderRecordsTest, WhereADirectoryIsRenamedToNothingStood) {
  const AccessSet set = RunBoth([](FakeProcess& p) {
    p.Mkdir("t");
    p.Write("t/f", "1");
    p.Rename("t", "d");
    p.Write("g", "1");
    p.Rename("g", "h");
  });
  EXPECT_TRUE(At(set, Path("d")).missing);
  EXPECT_EQ(At(set, Path("d")).observed, kExistence);
  EXPECT_EQ(At(set, Path("h")).observed, 0U);
}

TEST_F(DecoderRecordsTest, OldDirectoryIsRemovedAndMadeAgain) {
  prepare_ = [] {
    fs::create_directory("dist");
    Put("dist/old", "1");
  };
  RunBoth([](FakeProcess& p) {
    p.List("dist");
    p.Read("dist/old");
    p.Read("dist/none");
    p.Unlink("dist/old");
    p.Rmdir("dist");
    p.Read("dist/old");
    p.Read("dist/none");
    p.Mkdir("dist");
    p.Read("dist/old");
    p.Write("dist/old", "2");
    p.Read("dist/old");
    p.List("dist");
  });
}

TEST_F(DecoderRecordsTest, HoldIsSetForOldThingsAndClearedWhenTheCallIsOver) {
  prepare_ = [] { Put("a", "old"); };
  Begin(/*signs=*/true);
  test::ParkedThread other;
  process_->Stat("x");
  process_->DelayNext();
  process_->Write("a", "new");
  EXPECT_FALSE(process_->arena()->may_sign());
  // Another thread is heard; nothing has happened to `a` yet.
  process_->SetThread(other.tid());
  process_->Stat("y");
  EXPECT_FALSE(process_->arena()->may_sign());
  process_->Stat("z");  // notified; by now the disk shows the change
  EXPECT_TRUE(process_->arena()->may_sign());
}

TEST_F(DecoderRecordsTest, HoldEndsWhenTheThreadIsHeardAgain) {
  prepare_ = [] { Put("a", "old"); };
  Begin(/*signs=*/true);
  process_->Stat("x");
  process_->DelayNext();
  process_->Unlink("a");
  EXPECT_FALSE(process_->arena()->may_sign());
  process_->Stat("y");
  EXPECT_TRUE(process_->arena()->may_sign());
}

TEST_F(DecoderRecordsTest, HoldIsSetUntilADirectoryIsElsewhere) {
  Begin(/*signs=*/true);
  process_->Mkdir("d");
  process_->Stat("x");
  EXPECT_TRUE(process_->arena()->may_sign());
  process_->DelayNext();
  process_->Rename("d", "e");
  EXPECT_FALSE(process_->arena()->may_sign());
  const uint32_t asked_meanwhile =
      process_->arena()->header()->cwd_generation;
  process_->Stat("y");
  EXPECT_TRUE(process_->arena()->may_sign());
  EXPECT_NE(process_->arena()->header()->cwd_generation, asked_meanwhile);
}

TEST_F(DecoderRecordsTest, HoldOfACallThatFailsEndsWithPatience) {
  prepare_ = [] { fs::create_directories("d/e"); };
  Begin(/*signs=*/true);
  test::ParkedThread other;
  process_->Stat("x");
  process_->Rmdir("d");  // in vain
  process_->SetThread(other.tid());
  for (int i = 0; i < 63; ++i) {
    process_->Stat("y");
    ASSERT_FALSE(process_->arena()->may_sign()) << i;
  }
  process_->Stat("y");
  EXPECT_TRUE(process_->arena()->may_sign());
}

TEST_F(DecoderRecordsTest, TwoChangesAtOnceAreBothWaitedFor) {
  prepare_ = [] { Put("a", "old"), fs::create_directories("d/e"); };
  Begin(/*signs=*/true);
  test::ParkedThread second;
  test::ParkedThread third;
  process_->Stat("x");
  process_->DelayNext();
  process_->Unlink("a");
  process_->SetThread(second.tid());
  process_->Rmdir("d");  // in vain; `a` is gone after it
  process_->SetThread(third.tid());
  process_->Stat("y");
  EXPECT_FALSE(process_->arena()->may_sign());
  process_->SetThread(second.tid());
  process_->Stat("z");
  EXPECT_TRUE(process_->arena()->may_sign());
}

TEST_F(DecoderRecordsTest, ReadThatRacedAReplacementIsIncomplete) {
  prepare_ = [] { Put("a", "old"); };
  Begin(/*signs=*/true);
  process_->Stat("x");
  const uint32_t before = process_->arena()->epoch();
  process_->Write("a", "new");
  process_->RecordLate(RecordKind::kRead, Path("a"), 0, before);
  const AccessSet set = End();
  EXPECT_THAT(Reasons(set), ElementsAre(kTrackingIncomplete));
  EXPECT_EQ(At(set, Path("a")).observed, kContent);
}

TEST_F(DecoderRecordsTest, ReadThatRacedARemovalIsAnInputWithItsDigest) {
  prepare_ = [] { Put("a", "old"); };
  Begin(/*signs=*/true);
  process_->Stat("x");
  const uint32_t before = process_->arena()->epoch();
  process_->Unlink("a");
  process_->RecordLate(RecordKind::kRead, Path("a"), 0, before);
  const AccessSet set = End();
  EXPECT_THAT(set.flaws, IsEmpty());
  EXPECT_EQ(At(set, Path("a")).observed, kContent);
  EXPECT_TRUE(At(set, Path("a")).pre_digest.has_value());
}

TEST_F(DecoderRecordsTest, NameThatRacedTheTurnOfALinkIsIncomplete) {
  prepare_ = [] {
    fs::create_directories("one");
    fs::create_directories("two");
    Put("one/x", "1"), Put("two/x", "2");
    fs::create_symlink("one", "l");
  };
  Begin(/*signs=*/true);
  process_->Stat("x");
  process_->Symlink("two", "t");
  const uint32_t before = process_->arena()->epoch();
  process_->Rename("t", "l");
  process_->RecordLate(RecordKind::kRead, Path("l/x"), 0, before);
  EXPECT_THAT(Reasons(End()), Contains(kTrackingIncomplete));
}

TEST_F(DecoderRecordsTest, NameThatRacedTheRemovalOfADirectoryIsIncomplete) {
  prepare_ = [] { Put("a", "1"); };
  Begin(/*signs=*/true);
  process_->Mkdir("out");
  process_->Stat("x");
  const uint32_t before = process_->arena()->epoch();
  process_->Rmdir("out");
  process_->RecordLate(RecordKind::kRead, Path("out/../a"), 0, before);
  EXPECT_THAT(Reasons(End()), Contains(kTrackingIncomplete));
}

TEST_F(DecoderRecordsTest, WhatSomebodyElseRemovedIsAChangedInput) {
  prepare_ = [] { Put("a", "1"); };
  const AccessSet set = RunBoth([](FakeProcess& p) {
    p.Read("a");
    ::unlink("a");
  });
  EXPECT_THAT(Reasons(set), Contains(kInputChanged));
}

TEST_F(DecoderRecordsTest, WhatSomebodyElseMadeIsAChangedInput) {
  Begin(/*signs=*/true);
  process_->Read("a");
  Put("a", "1");
  EXPECT_THAT(Reasons(End()), Contains(kInputChanged));
}

// The record is read when something of the action's own stands there again.
TEST_F(DecoderRecordsTest, WhatStoodWhereTheActionMadeItsOwnWasSomebodyElses) {
  const std::function<void(FakeProcess&)> looks[] = {
      [](FakeProcess& p) { p.Lstat("out"), p.List("out"); },
      [](FakeProcess& p) { p.Read("out/old"); },
      [](FakeProcess& p) { p.Stat("out/new"); },
  };
  prepare_ = [] {
    fs::create_directories("out");
    Put("out/old", "1"), Put("out/new", "theirs");
  };
  for (const auto& look : looks) {
    for (const bool signs : {false, true}) {
      const AccessSet set = Run(signs, [&](FakeProcess& p) {
        look(p);
        fs::remove_all("out");
        p.Rmdir("out");  // in vain
        p.Mkdir("out");
        p.Write("out/new", "1");
        p.Stat("out/new");
      });
      EXPECT_THAT(Reasons(set), Contains(kInputChanged)) << signs;
    }
  }
}

// A link would go up from somewhere else, were its directory a link itself.
TEST_F(DecoderRecordsTest, ADirectoryThatALinkGoesUpFromIsLookedAt) {
  prepare_ = [] {
    fs::create_directories("a/b");
    fs::create_symlink("../../c", "a/b/up");
    Put("c", "1");
  };
  const AccessSet set = RunBoth([](FakeProcess& p) { p.Read("a/b/up"); });
  for (const char* name : {"a", "a/b"}) {
    EXPECT_EQ(At(set, Path(name)).observed, kExistence) << name;
    EXPECT_FALSE(At(set, Path(name)).missing);
  }
  EXPECT_NE(At(set, Path("c")).observed & kContent, 0U);
}

// Any error but one of a missing path says that something is there.
TEST_F(DecoderRecordsTest, WhatWasRefusedAndHasGoneIsAChangedInput) {
  prepare_ = [] {
    fs::create_symlink("loop", "loop");
    Put("file", "1");
  };
  AccessSet set = Run(/*signs=*/true, [](FakeProcess& process) {
    process.Read("loop");      // ELOOP
    process.Readlink("file");  // EINVAL
    process.Read("none");
    ::unlink("loop");
    ::unlink("file");
  });
  EXPECT_THAT(Reasons(set), ElementsAre(kInputChanged, kInputChanged));
  EXPECT_TRUE(At(set, Path("none")).missing);
}

TEST_F(DecoderRecordsTest, AFileThatVanishedBeforeItWasWrittenIsAChangedInput) {
  prepare_ = [] { Put("a", "1"); };
  for (const bool signs : {false, true}) {
    const AccessSet set = Run(signs, [&](FakeProcess& p) {
      p.Stat("a");
      ::unlink("a");
      p.Write("a", "2");
    });
    EXPECT_THAT(Reasons(set), ElementsAre(kInputChanged)) << signs;
  }
}

// A call that fails is none that inotify could tell of.
TEST_F(DecoderRecordsTest, CallsThatFailHideNothingThatOthersDo) {
  Begin(/*signs=*/false);
  process_->Write("a", "1");
  process_->CreateNew("a");  // in vain
  process_->Write("b", "1");
  process_->Write("draft", "1");
  process_->Rename("draft", "c");
  Put("a", "theirs");
  ::unlink("b");
  process_->Unlink("b");         // in vain
  process_->OpenReadWrite("b");  // in vain
  process_->Write("b", "2");
  const AccessSet set = End();
  EXPECT_TRUE(At(set, Path("a")).changed_by_others);
  EXPECT_TRUE(At(set, Path("b")).changed_by_others);
  EXPECT_FALSE(At(set, Path("c")).changed_by_others);
}

TEST_F(DecoderRecordsTest, AnOutputThatSomebodyHasOpenForWritingIsTheirs) {
  Begin(/*signs=*/false);
  process_->DelayNext();
  process_->Write("a", "1");
  // While the action has it open, too.
  const base::UniqueFd theirs(
      ::open("a", O_CREAT | O_WRONLY | O_CLOEXEC, 0644));
  process_->Write("b", "1");
  const AccessSet set = End();
  EXPECT_TRUE(At(set, Path("a")).changed_by_others);
  EXPECT_FALSE(At(set, Path("b")).changed_by_others);
}

// What is changed later has a later stamp.
TEST_F(DecoderRecordsTest, OthersAreLookedForAfterTheEndWasStamped) {
  Begin(/*signs=*/false);
  int64_t clock = 6;
  TrackerOptions options = Options();
  options.file_clock = [&clock] {
    if (++clock == 8) {
      Put("a", "theirs");
    }
    return base::FileClock{clock, clock + 100};
  };
  decoder_ = std::make_unique<Decoder>(options);
  process_ = std::make_unique<FakeProcess>(decoder_.get(), /*signs=*/false);
  process_->Write("a", "1");
  const AccessSet set = End();
  EXPECT_EQ(set.ended_file_clock_ns, 8);
  EXPECT_TRUE(At(set, Path("a")).changed_by_others);
}

TEST_F(DecoderRecordsTest, OwnTruncationIsNobodyElses) {
  Begin(/*signs=*/false);
  const std::string name = Path("a");
  process_->Write("a", "1234");
  process_->Notify(__NR_truncate,
                   {reinterpret_cast<uintptr_t>(name.c_str()), 1});
  ASSERT_EQ(::truncate("a", 1), 0);
  process_->Write("b", "1234");
  process_->Notify(__NR_openat,
                   {static_cast<uint64_t>(AT_FDCWD),
                    reinterpret_cast<uintptr_t>("b"), O_RDONLY | O_TRUNC});
  ::close(::open("b", O_RDONLY | O_TRUNC));
  const AccessSet set = End();
  EXPECT_FALSE(At(set, Path("a")).changed_by_others);
  EXPECT_FALSE(At(set, Path("b")).changed_by_others);
}

TEST_F(DecoderRecordsTest, DirectoryThatSomebodyElseSwappedIsAChangedInput) {
  prepare_ = [] {
    fs::create_directories("src/sub");
    fs::create_directories("other/sub");
    Put("src/sub/a", "1");
    Put("other/sub/a", "2");
    for (const char* name : {"src", "src/sub", "other", "other/sub"}) {
      const timespec old[2] = {{1000, 0}, {1000, 0}};
      ::utimensat(AT_FDCWD, name, old, 0);
    }
  };
  Begin(/*signs=*/true);
  const auto ctime_ns = [](const char* name) {
    struct stat status;
    EXPECT_EQ(::stat(name, &status), 0);
    return status.st_ctim.tv_sec * int64_t{1'000'000'000} +
           status.st_ctim.tv_nsec;
  };
  file_clock_ns_ = ctime_ns("other/sub") + 1;  // the last that was touched
  do {
    Put("tick", "");
  } while (ctime_ns("tick") < file_clock_ns_);
  // Begun later than all of that.
  decoder_ = std::make_unique<Decoder>(Options());
  process_ = std::make_unique<FakeProcess>(decoder_.get(), /*signs=*/true);
  process_->Read("src/sub/a");
  fs::rename("src", "old");
  fs::rename("other", "src");
  const AccessSet set = End();
  ASSERT_THAT(Reasons(set), ElementsAre(kInputChanged));
  EXPECT_EQ(set.flaws[0].path, Path("src"));
}

TEST_F(DecoderRecordsTest, DirectoriesThatTheActionChangedAreNoSign) {
  prepare_ = [] {
    fs::create_directories("src");
    Put("src/a", "1");
  };
  Begin(/*signs=*/true);
  file_clock_ns_ = 1;
  decoder_ = std::make_unique<Decoder>(Options());
  process_ = std::make_unique<FakeProcess>(decoder_.get(), /*signs=*/true);
  process_->Read("src/a");
  process_->Write("src/b", "1");
  process_->Chmod("src", 0700);
  EXPECT_THAT(End().flaws, IsEmpty());
}

TEST_F(DecoderRecordsTest, ScribblingOverTheHeaderIsDamage) {
  const std::function<void(ArenaHeader*)> spoil[] = {
      [](ArenaHeader* h) { h->magic = 0; },
      [](ArenaHeader* h) { h->signature ^= 1; },
      [](ArenaHeader* h) { h->version = 7; },
      [](ArenaHeader* h) { h->chunk_count = 0xffffffff; },
      [](ArenaHeader* h) { h->epoch += 1; },
      [](ArenaHeader* h) { h->cwd_generation += 1; },
      [](ArenaHeader* h) { h->flags |= 0x100; },
      [](ArenaHeader* h) { h->flags |= kFlagSlow; },
      [](ArenaHeader* h) { h->flags |= kFlagHold; },
  };
  for (const auto& scribble : spoil) {
    Begin(/*signs=*/true);
    process_->Stat("x");
    scribble(process_->arena()->header());
    const AccessSet set = End();
    ASSERT_THAT(Reasons(set), ElementsAre(kTrackingIncomplete));
    EXPECT_THAT(set.flaws[0].text, HasSubstr("damaged"));
  }
}

TEST_F(DecoderRecordsTest, MoreChunksThanThereAreIsNoDamage) {
  Begin(/*signs=*/true);
  process_->Stat("x");
  process_->arena()->header()->next_chunk = kMaxChunks + 5;
  const AccessSet set = End();
  EXPECT_THAT(set.flaws, IsEmpty());
  EXPECT_TRUE(At(set, Path("x")).missing);
}

TEST_F(DecoderRecordsTest, DamagedRecordIsIncomplete) {
  Begin(/*signs=*/true);
  process_->RecordLate(RecordKind::kRead, "/a", 0, /*epoch=*/99);
  const AccessSet set = End();
  ASSERT_THAT(Reasons(set), ElementsAre(kTrackingIncomplete));
  EXPECT_THAT(set.flaws[0].text, HasSubstr("damaged"));
}

TEST_F(DecoderRecordsTest, LostRecordIsIncomplete) {
  Begin(/*signs=*/true);
  process_->Stat("x");
  process_->arena()->header()->flags |= kFlagLost;
  EXPECT_THAT(Reasons(End()), ElementsAre(kTrackingIncomplete));
}

TEST_F(DecoderRecordsTest, EndOfTheActionClosesTheArena) {
  Begin(/*signs=*/true);
  process_->Stat("x");
  decoder_->Finish();
  EXPECT_NE(process_->arena()->header()->flags & kFlagClosed, 0U);
  EXPECT_FALSE(process_->arena()->may_sign());
}

TEST_F(DecoderRecordsTest, NobodyGetsTheArenaWithoutALibraryOrATierForIt) {
  using Kind = Decoder::Answer::Kind;
  TrackerOptions options = Options();
  options.preload.clear();
  Decoder without(options);
  EXPECT_EQ(FakeProcess(&without, true).Hello().kind, Kind::kRefuse);
  EXPECT_EQ(without.Finish().refused_attachments, 1U);
  options = Options();
  options.tier.can_sign = false;
  Decoder unable(options);
  EXPECT_EQ(FakeProcess(&unable, true).Hello().kind, Kind::kRefuse);
}

TEST_F(DecoderRecordsTest, OtherVersionOfTheLibraryIsRefused) {
  Begin(/*signs=*/true);
  const Decoder::Answer answer =
      process_->Notify(__NR_openat, {static_cast<uint32_t>(kHelloDirectory), 0,
                                     0, 0, kHelloWord, kArenaVersion + 1});
  EXPECT_EQ(answer.kind, Decoder::Answer::Kind::kRefuse);
}

TEST_F(DecoderRecordsTest, NobodySignsAfterTheWorldHasChanged) {
  struct Case {
    int number;
    std::vector<uint64_t> args;
  };
  const Case cases[] = {
      {__NR_unshare, {CLONE_FS}}, {__NR_unshare, {CLONE_NEWUSER}},
      {__NR_mount, {}},           {__NR_pivot_root, {}},
      {__NR_setns, {0, 0}},       {__NR_umount2, {}},
      {__NR_move_mount, {}},      {__NR_mount_setattr, {}},
  };
  for (const Case& test : cases) {
    Begin(/*signs=*/true);
    process_->Stat("x");
    process_->Notify(test.number, test.args);
    EXPECT_FALSE(process_->arena()->may_sign()) << test.number;
    EXPECT_EQ(process_->Hello().kind, Decoder::Answer::Kind::kRefuse);
    // What was signed before still counts.
    EXPECT_TRUE(At(End(), Path("x")).missing) << test.number;
  }
}

TEST_F(DecoderRecordsTest, DirectoryChangesRaiseTheGeneration) {
  prepare_ = [] { fs::create_directory("d"); };
  Begin(/*signs=*/true);
  process_->Stat("x");
  const uint32_t before = process_->arena()->header()->cwd_generation;
  process_->Chdir("d");
  EXPECT_GT(process_->arena()->header()->cwd_generation, before);
  process_->Stat("y");
  EXPECT_TRUE(At(End(), Path("d/y")).missing);
}

TEST_F(DecoderRecordsTest, DirectoryChangeAmongThreadsIsWaitedFor) {
  prepare_ = [] { fs::create_directory("d"); };
  Begin(/*signs=*/true);
  test::ParkedThread other;
  process_->Stat("x");
  process_->Chdir("d");
  EXPECT_FALSE(process_->arena()->may_sign());
  process_->Stat("y");
  EXPECT_TRUE(process_->arena()->may_sign());
}

TEST_F(DecoderRecordsTest, LinkToWhatAProcessHasOpenIsIncomplete) {
  prepare_ = [] { fs::create_symlink("/proc/self/fd/1", "l"); };
  Begin(/*signs=*/true);
  process_->Read("l");
  EXPECT_THAT(Reasons(End()), ElementsAre(kTrackingIncomplete));
}

TEST_F(DecoderRecordsTest, LinkIntoProcIsHarmless) {
  prepare_ = [] { fs::create_symlink("/proc/self/mounts", "l"); };
  Begin(/*signs=*/true);
  process_->Read("l");
  const AccessSet set = End();
  EXPECT_THAT(set.flaws, IsEmpty());
  EXPECT_EQ(At(set, Path("l")).observed, kLinkText);
}

TEST_F(DecoderRecordsTest, ParentOfADeletedDirectoryIsStillReached) {
  prepare_ = [] {
    fs::create_directories("d/e");
    Put("a", "1");
  };
  Begin(/*signs=*/false);
  process_->Chdir("d/e");
  process_->Rmdir(Path("d/e"));
  process_->Read("../../a");
  process_->Rmdir(Path("d"));
  process_->Stat("./..//../a");
  process_->Stat("nothing");
  const AccessSet set = End();
  EXPECT_EQ(At(set, Path("a")).observed, kContent | kMetadata);
  EXPECT_TRUE(At(set, Path("d/e/nothing")).path.empty());
}

TEST_F(DecoderRecordsTest, SameNameAndResultMayMeanSomethingElse) {
  const AccessSet set = RunBoth([](FakeProcess& p) {
    p.Read("l");
    p.Symlink("nowhere", "l");
    p.Read("l");
  });
  EXPECT_TRUE(At(set, Path("l")).missing);
  EXPECT_TRUE(At(set, Path("nowhere")).missing);
}

TEST_F(DecoderRecordsTest, LinkToALinkChangesWhatNamesMean) {
  prepare_ = [] {
    fs::create_directories("real");
    Put("real/x", "1");
    fs::create_symlink("real", "l");
  };
  const AccessSet set = RunBoth([](FakeProcess& p) {
    p.Read("m/x");
    p.Link("l", "m");
    p.Read("m/x");
  });
  EXPECT_EQ(At(set, Path("real/x")).observed, kContent);
}

// ---------------------------------------------------------------------------

// A program of random calls on a few names, so that they meet.
class RandomProgram {
 public:
  explicit RandomProgram(uint64_t seed) : random_(seed) {
    const int length = 5 + Pick(35);
    for (int i = 0; i < length; ++i) {
      calls_.push_back({Pick(26), Name(), Name(), Pick(4)});
    }
    for (int i = 0; i < 8; ++i) {
      prepared_.push_back({Pick(3), Name(), Name(), 0});
    }
  }

  void Prepare() const {
    for (const char* name : {"d", "d/e"}) {
      fs::create_directory(name);
    }
    std::error_code ignored;
    for (const Call& call : prepared_) {
      switch (call.verb) {
        case 0:
          Put(call.a, "old");
          break;
        case 1:
          fs::create_directory(call.a, ignored);
          break;
        case 2:
          fs::create_symlink(call.b, call.a, ignored);
          break;
      }
    }
  }

  // `delays`: some changes are made after the next call, of another thread.
  void Run(FakeProcess& p, const std::string& root, bool delays) const {
    const test::ParkedThread threads[2];
    size_t thread = 0;
    for (const Call& call : calls_) {
      p.SetThread(threads[thread].tid());
      if (delays && call.flavour == 3) {
        p.DelayNext();
        thread = 1 - thread;
      }
      Make(call, p, root);
    }
    p.MakeDelayed();
  }

  std::string ToString() const {
    std::string text = "prepared:";
    for (const Call& call : prepared_) {
      absl::StrAppend(&text, " ", call.verb, ":", call.a, ",", call.b);
    }
    absl::StrAppend(&text, "\ncalls:\n");
    for (const Call& call : calls_) {
      absl::StrAppend(&text, "  ", Verb(call.verb), " ", call.a, " ", call.b,
                      " /", call.flavour, "\n");
    }
    return text;
  }

  size_t size() const { return calls_.size(); }
  RandomProgram Without(size_t index) const {
    RandomProgram other = *this;
    other.calls_.erase(other.calls_.begin() + static_cast<long>(index));
    return other;
  }

 private:
  struct Call {
    int verb;
    std::string a;
    std::string b;
    int flavour;
  };

  static const char* Verb(int verb) {
    static const char* const kVerbs[] = {
        "read",   "read",   "nofollow", "list",   "stat",  "stat",
        "lstat",  "access", "readlink", "write",  "write", "append",
        "rdwr",   "new",    "unlink",   "unlink", "mkdir", "rmdir",
        "rename", "rename", "symlink",  "link",   "chmod", "touch",
        "swap",   "read"};
    return kVerbs[verb];
  }

  int Pick(int count) {
    return static_cast<int>(random_() % static_cast<uint64_t>(count));
  }
  std::string Name() {
    static const char* const kNames[] = {
        "a",   "b",     "c",      "d",      "d/a",    "d/b",
        "d/e", "d/e/a", "n",      "n/a",    "n/m",    "n/m/a",
        "l",   "l/a",   "l/../a", "n/../a", "d/../b", "d/e/../a"};
    return kNames[Pick(18)];
  }

  static void Make(const Call& call, FakeProcess& p, const std::string& root) {
    const std::string& a = call.a;
    const std::string name = call.flavour == 0 ? absl::StrCat(root, "/", a) : a;
    const std::string verb = Verb(call.verb);
    if (verb == "read") {
      p.Read(name);
    } else if (verb == "nofollow") {
      p.ReadNoFollow(name);
    } else if (verb == "list") {
      p.List(name);
    } else if (verb == "stat") {
      p.Stat(name);
    } else if (verb == "lstat") {
      p.Lstat(name);
    } else if (verb == "access") {
      p.Access(name);
    } else if (verb == "readlink") {
      p.Readlink(name);
    } else if (verb == "write") {
      p.Write(name, absl::StrCat("w", call.flavour));
    } else if (verb == "append") {
      p.Append(name, "x");
    } else if (verb == "rdwr") {
      p.OpenReadWrite(name);
    } else if (verb == "new") {
      p.CreateNew(name);
    } else if (verb == "unlink") {
      p.Unlink(name);
    } else if (verb == "mkdir") {
      p.Mkdir(name);
    } else if (verb == "rmdir") {
      p.Rmdir(name);
    } else if (verb == "rename") {
      p.Rename(name, call.b);
    } else if (verb == "symlink") {
      p.Symlink(call.b, name);
    } else if (verb == "link") {
      p.Link(name, call.b);
    } else if (verb == "chmod") {
      p.Chmod(name, call.flavour == 1 ? 0700 : 0755);
    } else if (verb == "touch") {
      p.Touch(name);
    } else if (verb == "swap") {
      p.Exchange(name, call.b);
    }
  }

  std::mt19937_64 random_;
  std::vector<Call> calls_;
  std::vector<Call> prepared_;
};

class RandomProgramTest : public DecoderRecordsTest {
 protected:
  void TryMany(bool delays) {
    delays_ = delays;
    uint64_t first = 1;
    uint64_t count = 300;
    if (const char* seeds = std::getenv("VT_TEST_SEEDS"); seeds != nullptr) {
      ASSERT_TRUE(absl::SimpleAtoi(seeds, &count));
      first = std::random_device()();
    }
    for (uint64_t seed = first; seed < first + count; ++seed) {
      const RandomProgram program(seed);
      std::string difference;
      if (!Agrees(program, &difference)) {
        const RandomProgram least = Shrink(program, &difference);
        FAIL() << "seed " << seed << "\n" << least.ToString() << difference;
      }
    }
  }

  bool Agrees(const RandomProgram& program, std::string* difference) {
    prepare_ = [&program] { program.Prepare(); };
    const auto script = [&](FakeProcess& p) { program.Run(p, root_, delays_); };
    const std::vector<std::string> early =
        Describe(Run(/*signs=*/false, script), root_);
    const std::vector<std::string> late =
        Describe(Run(/*signs=*/true, script), root_);
    const auto gives_up = [](const std::string& line) {
      return absl::StrContains(line, "a directory from before the task");
    };
    // Not stored; what stood below means something else to either.
    const bool both_give_up =
        std::any_of(early.begin(), early.end(), gives_up) &&
        std::any_of(late.begin(), late.end(), gives_up);
    if (early == late || both_give_up) {
      return true;
    }
    std::vector<std::string> only_early;
    std::vector<std::string> only_late;
    for (const std::string& line : early) {
      if (std::find(late.begin(), late.end(), line) == late.end()) {
        only_early.push_back(line);
      }
    }
    for (const std::string& line : late) {
      if (std::find(early.begin(), early.end(), line) == early.end()) {
        only_late.push_back(line);
      }
    }
    *difference =
        absl::StrCat("notified:\n  ", absl::StrJoin(only_early, "\n  "),
                     "\nsigned:\n  ", absl::StrJoin(only_late, "\n  "));
    return false;
  }

  // Leaves out what does not matter for the difference.
  RandomProgram Shrink(RandomProgram program, std::string* difference) {
    for (size_t i = program.size(); i-- > 0;) {
      const RandomProgram shorter = program.Without(i);
      if (!Agrees(shorter, difference)) {
        program = shorter;
      }
    }
    Agrees(program, difference);
    return program;
  }

  bool delays_ = false;
};

TEST_F(RandomProgramTest, SignedAndNotifiedReadsGiveTheSameSet) {
  TryMany(/*delays=*/false);
}

TEST_F(RandomProgramTest, ChangesThatTakeTheirTimeGiveTheSameSet) {
  TryMany(/*delays=*/true);
}

}  // namespace
}  // namespace vt::track
