// SPDX-License-Identifier: Apache-2.0
//
// Programs, threads, services, stragglers and what makes an action not stored.

#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <thread>

#include "tests/integration/track/traced_fixture.h"

namespace vt::test {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::IsEmpty;

class ProcessesTest : public TracedTest {
 protected:
  // Makes an executable file of the workspace.
  void Script(const std::string& name, const std::string& text) {
    Write(name, text);
    ::chmod(Path(name).c_str(), 0755);
  }
};

TEST_F(ProcessesTest, ProgramAndItsLoaderAreExecuted) {
  Run({"/bin/true"});
  const std::string real = std::filesystem::canonical("/bin/true").string();
  EXPECT_EQ(At(real).observed, track::kExecuted | track::kContent);
  bool has_loader = false;
  for (const track::Access& access : set_.accesses) {
    has_loader |= access.path.find("/ld-") != std::string::npos &&
                  (access.observed & track::kExecuted) != 0;
  }
  EXPECT_TRUE(has_loader);
}

TEST_F(ProcessesTest, ChainOfInterpretersIsExecuted) {
  Script("one", "#! /bin/sh -e\ntrue\n");
  Script("two", absl::StrCat("#!", Path("one"), "\n"));
  Script("three", "#!./two\n");
  Run({Path("three")});
  EXPECT_EQ(status_, 0);
  for (const std::string& name :
       {std::string("one"), std::string("two"), std::string("three"),
        std::filesystem::canonical("/bin/sh").string()}) {
    EXPECT_NE(At(name).observed & track::kExecuted, 0U) << name;
  }
}

TEST_F(ProcessesTest, ProgramBehindALinkIsKnownByBothNames) {
  std::filesystem::create_directory(Path("v1"));
  std::filesystem::create_directory_symlink("v1", Path("current"));
  Script("v1/tool", "#!/bin/sh\n");
  Do({"spawn:current/tool"});
  EXPECT_NE(At("v1/tool").observed & track::kExecuted, 0U);
  EXPECT_TRUE(set_.linked_programs.contains(Path("current/tool")));
}

TEST_F(ProcessesTest, ProgramByDescriptorIsExecuted) {
  Do({"fexec:/bin/true"});
  const std::string real = std::filesystem::canonical("/bin/true").string();
  EXPECT_NE(At(real).observed & track::kExecuted, 0U);
}

TEST_F(ProcessesTest, ProgramThatAThreadTurnsIntoIsKnownByItsOwnName) {
  Write("a", "1");
  Do({"stat:b", "threadexec:/bin/cat:a"});
  ASSERT_GE(At("a").first_program, 0);
  EXPECT_EQ(set_.programs[static_cast<size_t>(At("a").first_program)],
            std::filesystem::canonical("/bin/cat").string());
}

TEST_F(ProcessesTest, ProgramThatIsNotThereIsAProbe) {
  Do({"spawn:./nothing"});
  EXPECT_TRUE(At("nothing").missing);
}

TEST_F(ProcessesTest, ChildWithEmptyEnvironmentIsSeen) {
  Write("a", "1");
  Run({"/bin/sh", "-c", "env -i /bin/cat a > b | cat"});
  EXPECT_EQ(At("a").observed, track::kContent);
  EXPECT_THAT(Outputs(), ElementsAre("b"));
}

TEST_F(ProcessesTest, EightThreadsMixNothingUp) {
  Write("shared-input", "1");
  Do({"threads"});
  EXPECT_EQ(At("shared-input").observed, track::kContent);
  EXPECT_TRUE(At("shared-probe").missing);
  EXPECT_EQ(Outputs().size(), 320U);
  for (int i = 0; i < 8; ++i) {
    EXPECT_FALSE(IsInput(absl::StrCat("worker-", i, "-39")));
  }
  EXPECT_THAT(Flaws(), IsEmpty());
}

TEST_F(ProcessesTest, SecondRoundOfEightThreadsReadsOnlyItsOwn) {
  Write("shared-input", "1");
  Do({"threads"});
  Do({"threads"});
  for (int i = 0; i < 8; ++i) {
    const track::Access access = At(absl::StrCat("worker-", i, "-0"));
    EXPECT_EQ(access.observed, 0U);
    EXPECT_EQ(access.pre_state, track::PreState::kFile);
    EXPECT_TRUE(access.is_output);
  }
}

TEST_F(ProcessesTest, SignalStormIsNotFelt) {
  Do({"storm:5000"});
  EXPECT_TRUE(At("storm-99").missing);
}

TEST_F(ProcessesTest, RingsAreRefused) {
  Do({"iouring"});
  EXPECT_THAT(Flaws(), IsEmpty());
}

TEST_F(ProcessesTest, UnknownSystemCallIsNotStored) {
  Do({"syscall:9999"});
  EXPECT_THAT(Flaws(), ElementsAre(track::kUnknownSystemCall));
}

TEST_F(ProcessesTest, FileHandleIsNotStored) {
  Do({"handle"});
  EXPECT_THAT(Flaws(), ElementsAre(track::kTrackingIncomplete));
}

TEST_F(ProcessesTest, OtherMountNamespaceIsNotStored) {
  Do({"unshare"});
  EXPECT_THAT(Flaws(), ElementsAre(track::kSandboxRemapsFiles));
}

TEST_F(ProcessesTest, OtherRootIsNotStored) {
  Do({"chroot:."});
  EXPECT_THAT(Flaws(), ElementsAre(track::kSandboxRemapsFiles));
}

TEST_F(ProcessesTest, SameRootIsHarmless) {
  Do({"chroot:/"});
  EXPECT_THAT(Flaws(), IsEmpty());
}

TEST_F(ProcessesTest, PrivilegedProgramIsNotStored) {
  std::filesystem::copy_file(VT_OPS, Path("setuid"));
  ASSERT_EQ(::chmod(Path("setuid").c_str(), 04755), 0);
  Run({Path("setuid"), "stat:x"});
  EXPECT_THAT(Flaws(), ElementsAre(track::kPrivilegedProgram));
}

TEST_F(ProcessesTest, UnreadableMemoryIsNotStored) {
  if (::geteuid() == 0) {
    GTEST_SKIP() << "root reads every memory; run this as another user";
  }
  Do({"undumpable", "stat:x"});
  // What the program tells of itself needs no look into its memory.
  if (!IsKnown("x")) {
    EXPECT_THAT(Flaws(), Contains(track::kUnreadableMemory));
  }
}

TEST_F(ProcessesTest, ProgramOfAnotherWordSizeIsNotStored) {
#ifdef VT_OPS32
  Run({VT_OPS32});
  EXPECT_EQ(status_, 0);
  EXPECT_THAT(Flaws(), Contains(track::kForeignAbi));
#else
  GTEST_SKIP() << "the compiler cannot make a 32-bit program";
#endif
}

TEST_F(ProcessesTest, TerminalIsNoticed) {
  Do({"terminal"});
  EXPECT_TRUE(set_.opened_terminal);
  Do({"stat:/dev/tty"});
  EXPECT_FALSE(set_.opened_terminal);
}

TEST_F(ProcessesTest, ListenerIsTheProcess) {
  Do({"listen:sock"});
  EXPECT_THAT(set_.listeners, ElementsAre(pid_));
}

TEST_F(ProcessesTest, WhoStartsAServerIsNoListener) {
  Run({"/bin/sh", "-c", VT_OPS " listen:sock; :"});
  ASSERT_EQ(set_.listeners.size(), 1U);
  EXPECT_NE(set_.listeners[0], pid_);
}

TEST_F(ProcessesTest, OwnSocketIsNoService) {
  Do({"listen:sock", "connect:sock", "listen:@vt-test-abstract",
      "connect:@vt-test-abstract"});
  EXPECT_THAT(Flaws(), IsEmpty());
  EXPECT_THAT(Outputs(), IsEmpty());
}

// The kernel may tell that it has ended before its files are closed.
TEST_F(ProcessesTest, WhatAnUnwaitedChildWritesIsNobodyElses) {
  for (int i = 0; i < 20; ++i) {
    Run({"/bin/sh", "-c",
         "(exec 3>out; echo 1 >&3; read x </dev/null; echo 2 >&3) & exit 0"});
    ASSERT_TRUE(At("out").is_output);
    ASSERT_FALSE(At("out").changed_by_others) << i;
  }
}

TEST_F(ProcessesTest, ForeignSocketIsAService) {
  Run({VT_OPS, "bind:sock"});  // leaves the socket behind
  ASSERT_TRUE(Exists("sock"));
  Do({"connect:sock"});
  ASSERT_THAT(Flaws(), ElementsAre(track::kUsedService));
  EXPECT_EQ(set_.flaws[0].path, Path("sock"));
  allowed_services_ = {absl::StrCat(root_, "/*")};
  Do({"connect:sock"});
  EXPECT_THAT(Flaws(), IsEmpty());
}

TEST_F(ProcessesTest, ServiceThatIsNotThereIsAProbe) {
  Do({"connect:/run/vt-no-such-service", "connect:/var/run/nscd/socket"});
  EXPECT_THAT(Flaws(), IsEmpty());
  EXPECT_TRUE(At("/run/vt-no-such-service").missing);
}

TEST_F(ProcessesTest, DaemonisedGrandchildLivesOnAndIsNotRecorded) {
  Write("later", "1");
  Do({"daemon:later:go"});
  EXPECT_TRUE(set_.has_stragglers);
  EXPECT_FALSE(IsKnown("later"));
  // The next action does not see what it does now.
  Write("go", "1");
  Run({"/bin/sh", "-c", "until [ -e go.done ]; do :; done"});
  EXPECT_TRUE(Exists("go.done"));
  EXPECT_FALSE(IsKnown("later"));
}

TEST_F(ProcessesTest, EveryTierSeesTheSame) {
  Write("a", "1");
  for (int tier = 1; tier <= 3; ++tier) {
    tier_ = tier;
    Do({"read:a", "write:b:1", "stat:c"});
    EXPECT_EQ(At("a").observed, track::kContent) << tier;
    EXPECT_TRUE(At("b").is_output) << tier;
    EXPECT_TRUE(At("c").missing) << tier;
  }
}

TEST_F(ProcessesTest, TierFourTracksNothingAndSaysWhy) {
  const track::Tier tier = track::SelfTest(4);
  EXPECT_EQ(tier.level, 4);
  EXPECT_THAT(tier.reason, testing::HasSubstr("VT_TRACK_TIER"));
  track::TrackerOptions options;
  options.tier = tier;
  EXPECT_EQ(track::Tracker::Start(std::move(options)).status().code(),
            absl::StatusCode::kUnimplemented);
}

TEST_F(ProcessesTest, FailedSpawnEndsTheThread) {
  TracedRun run;
  run.argv = {Path("no-such-program")};
  run.cwd = run.root = root_;
  for (int i = 0; i < 50; ++i) {
    EXPECT_TRUE(absl::IsNotFound(RunTraced(run).status()));
  }
  run.argv = {"/bin/true"};
  run.cwd = Path("no-such-directory");
  EXPECT_TRUE(absl::IsNotFound(RunTraced(run).status()));
}

TEST_F(ProcessesTest, FortyPairsAtOnceDoNotMix) {
  auto pair = [&](int index) {
    TracedRun run;
    run.env = {"PATH=/usr/bin:/bin"};
    run.cwd = run.root = root_;
    const std::string mine = absl::StrCat("mark-", index, "-");
    run.argv = {"/bin/sh", "-c",
                absl::StrCat("for i in 1 2 3 4; do cat ", mine,
                             "$i 2>/dev/null; : > out-", mine, "$i; done")};
    absl::StatusOr<TracedResult> result = RunTraced(run);
    ASSERT_TRUE(result.ok()) << result.status();
    int marks = 0;
    for (const track::Access& access : result->set.accesses) {
      if (access.path.find("mark-") != std::string::npos) {
        EXPECT_NE(access.path.find(mine), std::string::npos) << access.path;
        ++marks;
      }
    }
    EXPECT_EQ(marks, 8);
  };
  for (int i = 0; i < 40; ++i) {
    std::thread other(pair, 2 * i);
    pair(2 * i + 1);
    other.join();
  }
}

}  // namespace
}  // namespace vt::test
