// SPDX-License-Identifier: Apache-2.0
//
// The preload library alone, below a daemon that only says "continue": what is
// signed, what is recorded, and that programs do not notice.

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <fstream>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/integration/track/preload/fake_daemon.h"
#include "tests/support/temp_dir.h"

namespace vt::test {
namespace {

using testing::Contains;
using testing::Each;
using testing::HasSubstr;
using testing::Not;
using track::RecordKind;

std::string Numbered(const std::string& prefix, int number) {
  return prefix + std::to_string(number);
}

class PreloadTest : public testing::Test {
 protected:
  PreloadTest() : directory_(temp_.path() / "w") {
    std::filesystem::create_directory(directory_);
    options_.preload = VT_PRELOAD;
    options_.env = {"PATH=/usr/bin:/bin", "LC_ALL=C"};
  }

  void Run(std::vector<std::string> argv) {
    options_.argv = std::move(argv);
    options_.cwd = directory_.string();
    result_ = RunUnderFakeDaemon(options_);
    recorded_ = result_.RecordedNames();
    notified_ = result_.NotifiedNames();
    EXPECT_EQ(result_.status, 0) << result_.output;
    EXPECT_EQ(result_.damaged, 0);
  }
  void Probe(const std::string& mode, const std::string& argument = "") {
    std::vector<std::string> argv = {VT_PROBE, mode};
    if (!argument.empty()) {
      argv.push_back(argument);
    }
    Run(std::move(argv));
  }

  std::string Path(const std::string& name) const {
    return (directory_ / name).string();
  }
  // Each name was seen by the daemon in one way or the other.
  void ExpectSeen(const std::string& prefix, int from, int to) const {
    for (int i = from; i < to; ++i) {
      const std::string name = Numbered(prefix, i);
      if (recorded_.count(name) == 0 && notified_.count(name) == 0) {
        ADD_FAILURE() << name << " was not seen";
        return;
      }
    }
  }
  // Each name was recorded, and none notified.
  void ExpectSigned(const std::string& prefix, int from, int to) const {
    for (int i = from; i < to; ++i) {
      const std::string name = Numbered(prefix, i);
      if (recorded_.count(name) == 0 || notified_.count(name) != 0) {
        ADD_FAILURE() << name << " was not signed";
        return;
      }
    }
  }
  size_t CountNotified(const std::string& prefix) const {
    return static_cast<size_t>(std::count_if(
        notified_.begin(), notified_.end(), [&](const std::string& name) {
          return name.compare(0, prefix.size(), prefix) == 0;
        }));
  }

  TempDir temp_;
  std::filesystem::path directory_;
  FakeOptions options_;
  FakeResult result_;
  std::multiset<std::string> recorded_;
  std::multiset<std::string> notified_;
};

TEST_F(PreloadTest, EachWrappedEntryIsRecordedAndNotNotified) {
  Probe("entries");
  const struct {
    const char* name;
    RecordKind kind;
    int result;
  } kExpected[] = {
    {"file", RecordKind::kRead, 0},
    {"open-missing", RecordKind::kRead, -ENOENT},
    {"open64", RecordKind::kRead, 0},
    {"at-file", RecordKind::kRead, 0},
    {"listed", RecordKind::kListing, 0},
    {"dir", RecordKind::kOpenPath, 0},
    {"inner", RecordKind::kStat, 0},
    {"at-missing", RecordKind::kRead, -ENOENT},
    {"fd-access", RecordKind::kAccess, -ENOENT},
    {"fd-readlink", RecordKind::kReadlink, -ENOENT},
    {"c-listed", RecordKind::kListing, 0},
    {"stat-missing", RecordKind::kStat, -ENOENT},
    {"at-link", RecordKind::kLstat, 0},
    {"fstatat", RecordKind::kLstat, -ENOENT},
    {"statx", RecordKind::kStat, -ENOENT},
    {"access", RecordKind::kAccess, -ENOENT},
    {"eaccess", RecordKind::kAccess, -ENOENT},
    {"euidaccess", RecordKind::kAccess, -ENOENT},
    {"readlink-missing", RecordKind::kReadlink, -ENOENT},
    {"c-open", RecordKind::kRead, 0},
    {"c-statx", RecordKind::kStat, -ENOENT},
    {"c-stat", RecordKind::kStat, -ENOENT},
#if defined(__x86_64__)
    {"x-open", RecordKind::kRead, 0},
    {"x-stat", RecordKind::kStat, -ENOENT},
    {"x-lstat", RecordKind::kLstat, -ENOENT},
    {"x-access", RecordKind::kAccess, -ENOENT},
    {"x-readlink", RecordKind::kReadlink, -ENOENT},
#endif
    {"open-2", RecordKind::kRead, -ENOENT},
    {"open64-2", RecordKind::kRead, -ENOENT},
    {"openat-2", RecordKind::kRead, -ENOENT},
    {"xstat", RecordKind::kStat, -ENOENT},
    {"lxstat64", RecordKind::kLstat, -ENOENT},
    {"fxstatat", RecordKind::kStat, -ENOENT},
    {"rl-chk", RecordKind::kReadlink, -ENOENT},
    {"eaccess2", RecordKind::kAccess, -ENOENT},
  };
  for (const auto& expected : kExpected) {
    const SignedRecord* record = result_.Find(expected.name);
    ASSERT_NE(record, nullptr) << expected.name;
    EXPECT_EQ(record->kind, expected.kind) << expected.name;
    EXPECT_EQ(record->result, expected.result) << expected.name;
  }
  EXPECT_EQ(result_.Find("inner")->path, Path("dir/inner"));
  EXPECT_EQ(result_.Find("at-missing")->path, Path("dir/at-missing"));
  // "file" and "link" have two records each.
  EXPECT_EQ(recorded_.count("file"), 2U);
  EXPECT_EQ(recorded_.count("link"), 2U);
  // Before attaching: four at most, and the files that are written.
  EXPECT_EQ(notified_.count("stat-missing") + notified_.count("x-open"), 1U);
  EXPECT_EQ(CountNotified("c-listed") + CountNotified("listed"), 0U);
  EXPECT_EQ(result_.hellos, 1);
  EXPECT_EQ(result_.flags, 0U);
}

TEST_F(PreloadTest, WritesAndSpecialNamesAreNotified) {
  Probe("plain");
  for (const char* name :
       {"plain-write", "plain-update", "plain-truncate", "bad-directory"}) {
    EXPECT_EQ(notified_.count(name), 1U) << name;
    EXPECT_EQ(recorded_.count(name), 0U) << name;
  }
  EXPECT_EQ(recorded_.count("plain-create"), 1U);  // its stat
  EXPECT_EQ(notified_.count("plain-create"), 1U);
  // A name in a call that the filter takes for fstat.
  EXPECT_EQ(recorded_.count("empty-flag"), 1U);
  // By its name, and as what "/proc/self/fd/5" was when that was opened.
  EXPECT_EQ(recorded_.count("old"), 2U);
  int special = 0;
  for (const Notified& each : result_.notified) {
    special += each.name.rfind("/proc/self/fd/", 0) == 0 ? 1 : 0;
  }
  EXPECT_EQ(special, 3);
  EXPECT_THAT(notified_, Contains("stdout"));
  EXPECT_EQ(notified_.count("status"), 2U);  // absolute, and from within /proc
  for (const std::string& path : result_.RecordedPaths()) {
    EXPECT_NE(path.rfind("/proc", 0), 0U) << path;
    EXPECT_NE(path.rfind("/dev/std", 0), 0U) << path;
  }
}

TEST_F(PreloadTest, ErrorsAreThoseOfTheKernel) {
  Probe("bad-pointers");
  EXPECT_THAT(recorded_, Contains("e"));
  EXPECT_THAT(recorded_, Contains(std::string(31, 'e')));
  EXPECT_THAT(recorded_, Contains(std::string(255, 'a')));
  EXPECT_THAT(recorded_, Contains("z"));
  // Bad results, not names: the daemon is asked to look at it.
  EXPECT_THAT(notified_, Contains("."));
  // Too long for a component: what is before it was looked at.
  EXPECT_THAT(notified_, Contains(std::string(300, 'a')));
}

TEST_F(PreloadTest, ThreadsRecordInLanesAndLoseNothing) {
  Probe("threads");
  for (int i = 0; i < 8; ++i) {
    ExpectSeen(Numbered("thread", i) + "-", 0, 2000);
  }
  // One for all, and one for each of eight threads, which never record enough
  // for two. Stacks may lie so that two threads have one lane. While one thread
  // asks for memory the others go on in the chunk for all: were that one kept
  // from running all the time, they would fill three (750 KiB).
  EXPECT_LE(result_.chunks_taken, 11U);
  EXPECT_GE(result_.chunks_taken, 5U);
  // Those that others made while one was asking for memory.
  EXPECT_LT(CountNotified("thread"), 4000U);
  EXPECT_EQ(result_.flags, 0U);
}

TEST_F(PreloadTest, AThreadThatIsStuckInAttachingIsOverruled) {
  int told[2];
  ASSERT_EQ(::pipe2(told, O_CLOEXEC), 0);
  options_.in_child = [&] { ::dup2(told[0], 0); };
  options_.delay_first_hello = [&] { EXPECT_EQ(::write(told[1], "s", 1), 1); };
  Probe("stuck-thread");
  ExpectSeen("stuck", 0, 10);
  ExpectSeen("other", 0, 3000);
  ExpectSigned("other", 1500, 3000);
  EXPECT_EQ(result_.hellos, 3);  // one for its own lane
  ::close(told[0]);
  ::close(told[1]);
}

TEST_F(PreloadTest, ParentAndForkAppendToOneChunk) {
  Probe("forks");
  ExpectSigned("parent", 0, 500);
  ExpectSigned("child", 0, 500);
  ExpectSigned("moved", 0, 500);
  ExpectSigned("later", 0, 100);
  EXPECT_EQ(result_.Find("moved7")->path, Path("sub/moved7"));
  EXPECT_EQ(result_.Find("later7")->path, Path("later7"));
  EXPECT_EQ(result_.chunks_taken, 1U);
}

TEST_F(PreloadTest, VforkChildsDirectoryIsNotItsParents) {
  for (const char* mode : {"vfork-chdir", "vfork-chdir-threads"}) {
    std::filesystem::remove_all(Path("sub"));
    Probe(mode);
    ExpectSigned("vparent", 0, 20);
    ExpectSeen("vchild", 0, 20);
    const std::set<std::string> paths = result_.RecordedPaths();
    for (int i = 0; i < 20; ++i) {
      EXPECT_THAT(paths, Contains(Path(Numbered("vparent", i)))) << mode;
      EXPECT_THAT(paths, Not(Contains(Path(Numbered("vchild", i))))) << mode;
    }
  }
}

TEST_F(PreloadTest, VforkChildOfAForkIsNotTakenForIt) {
  Probe("fork-vfork");
  ExpectSigned("vparent", 0, 5);
  ExpectSigned("vforked", 0, 5);
  const std::set<std::string> paths = result_.RecordedPaths();
  EXPECT_THAT(paths, Contains(Path("vparent3")));
  EXPECT_THAT(paths, Contains(Path("fork/vforked3")));
  EXPECT_THAT(paths, Not(Contains(Path("vchild"))));
}

TEST_F(PreloadTest, DirectoryChangesInsideOfLibcAreNoticed) {
  Probe("tree-walk");
  const std::set<std::string> paths = result_.RecordedPaths();
  EXPECT_THAT(paths, Contains(Path("visit-tree")));
  EXPECT_THAT(paths, Contains(Path("tree/visit-a")));
  EXPECT_THAT(paths, Contains(Path("tree/a/visit-f")));
}

TEST_F(PreloadTest, ADeletedDirectoryMakesCallsPlain) {
  Probe("deleted-directory");
  EXPECT_THAT(notified_, Contains("nothing"));
  EXPECT_THAT(notified_, Contains("absolute-from-gone"));
}

TEST_F(PreloadTest, NamesStartAtTheDirectoryThatTheDescriptorIsNow) {
  Probe("open-directories");
  std::vector<std::pair<std::string, std::string>> expected = {
      {"a", "in-a"},         {"b", "in-b"},
      {"a", "in-a-again"},   {"c", "in-c"},
      {"c/sub", "in-c-sub"}, {"e/sub", "in-e-sub"},
  };
  for (int i = 0; i < 20; ++i) {
    expected.emplace_back(Numbered("d", i), Numbered("in-d", i) + "-");
  }
  const std::set<std::string> paths = result_.RecordedPaths();
  for (const auto& [directory, prefix] : expected) {
    ExpectSigned(prefix, 0, 3);
    for (int i = 0; i < 3; ++i) {
      EXPECT_THAT(paths, Contains(Path(directory + "/" + Numbered(prefix, i))));
    }
  }
  EXPECT_EQ(recorded_.count("in-removed0"), 0U);
}

TEST_F(PreloadTest, ADescriptorThatIsSwappedMeanwhileIsNotRemembered) {
  Probe("swapped-directories");
  const std::set<std::string> paths = result_.RecordedPaths();
  for (int i = 0; i < 3; ++i) {
    EXPECT_THAT(paths, Contains(Path(Numbered("a/only-a", i))));
    EXPECT_THAT(paths, Contains(Path(Numbered("b/only-b", i))));
    EXPECT_THAT(paths, Not(Contains(Path(Numbered("a/only-b", i)))));
    EXPECT_THAT(paths, Not(Contains(Path(Numbered("b/only-a", i)))));
  }
}

TEST_F(PreloadTest, ClosingAllDescriptorsIsHarmless) {
  Probe("close-from");
  ExpectSeen("before", 0, 40);
  ExpectSeen("after", 0, 20000);
  EXPECT_GE(result_.chunks_taken, 2U);
  EXPECT_LT(CountNotified("after"), 10U);
}

TEST_F(PreloadTest, WithoutMemoryOrDescriptorsCallsArePlain) {
  for (const char* what : {"memory", "descriptors"}) {
    Probe("limits", what);
    for (int i = 0; i < 100; ++i) {
      EXPECT_EQ(notified_.count(Numbered("limited", i)), 1U) << what;
    }
    EXPECT_EQ(result_.flags, 0U);
    EXPECT_EQ(result_.hellos, 1) << "asks too often";
  }
}

TEST_F(PreloadTest, KilledWritersTakeNoRecordOfOthersWithThem) {
  Probe("kill-storm");
  ExpectSigned("parent", 0, 6000);
  EXPECT_LE(result_.torn, 60);
}

TEST_F(PreloadTest, JumpsOutOfSignalHandlersLoseAtMostTheirOwnCall) {
  Probe("jump-storm");
  ExpectSeen("after-jumps", 0, 1000);
  EXPECT_LE(result_.torn, 1000);
}

TEST_F(PreloadTest, AStaleRegisterSignsNothing) {
  Probe("register-storm");
  EXPECT_EQ(notified_.count("raw-in-handler"),
            static_cast<size_t>(std::stoi(result_.output)));
  EXPECT_EQ(recorded_.count("raw-in-handler"), 0U);
}

TEST_F(PreloadTest, NeedsLittleStack) {
  Probe("small-stack");
  ExpectSeen("handler", 100, 300);
}

TEST_F(PreloadTest, SignalsDoNotInterruptWhatNativelyTheyDoNot) {
  Probe("interrupted");
  EXPECT_EQ(result_.output, "0\n");
  options_.hello_error = EPERM;
  Probe("interrupted");
  EXPECT_EQ(result_.output, "0\n");
  EXPECT_EQ(result_.hellos, 1);
}

TEST_F(PreloadTest, OpeningAFifoIsInterruptedAndCancelledAsEver) {
  Probe("interrupted-fifo");
  std::filesystem::remove(Path("fifo"));
  Probe("cancelled-fifo");
}

TEST_F(PreloadTest, AScribbledArenaDoesNotHurtTheProgram) {
  options_.argv = {VT_PROBE, "scribble"};
  options_.cwd = directory_.string();
  options_.chunk_count = 2;
  for (int i = 0; i < 3; ++i) {
    result_ = RunUnderFakeDaemon(options_);
    EXPECT_EQ(result_.status, 0) << result_.output;
  }
}

TEST_F(PreloadTest, AFullArenaMakesCallsPlain) {
  options_.chunk_count = 1;
  Probe("fill", "6000");
  ExpectSeen("filling-the-chunk-with-a-long-name-", 0, 6000);
  const size_t plain = CountNotified("filling-the-chunk");
  EXPECT_GT(plain, 2000U);
  EXPECT_EQ(result_.flags, 0U) << "nothing was lost";
  EXPECT_LE(result_.hellos, 2);
}

TEST_F(PreloadTest, ARefusalIsFinalButOtherErrorsAreNot) {
  options_.hello_error = EPERM;
  Probe("fill", "2000");
  EXPECT_EQ(result_.hellos, 1);
  EXPECT_EQ(CountNotified("filling"), 2000U);

  options_.hello_error = EMFILE;
  options_.refusals = 2;
  Probe("fill", "2000");
  EXPECT_EQ(result_.hellos, 3);
  EXPECT_LT(CountNotified("filling"), 600U);
}

TEST_F(PreloadTest, FlagsMakeCallsPlainWhileTheyAreSet) {
  for (const uint32_t flag :
       {track::kFlagHold, track::kFlagSlow, track::kFlagClosed}) {
    // Set at the first notified call after attaching (the making of a file),
    // and cleared thirty calls later.
    int count = 0;
    options_.on_notified = [&](track::ArenaHeader* header, const Notified& at) {
      if (at.name == "file") {
        __atomic_fetch_or(&header->flags, flag, __ATOMIC_ACQ_REL);
      }
      if ((header->flags & flag) != 0 && ++count == 31) {
        __atomic_fetch_and(&header->flags, ~flag, __ATOMIC_ACQ_REL);
      }
    };
    std::filesystem::remove_all(Path("held"));
    std::filesystem::create_directory(Path("held"));
    Run({"/bin/sh", "-c",
         "for i in 1 2 3 4 5 6 7 8 9; do test -e before$i; done; >file; "
         "for i in $(seq 100); do test -e held/h$i; done; true"});
    std::filesystem::remove(Path("file"));
    EXPECT_GE(CountNotified("h"), 20U) << flag;
    EXPECT_LE(CountNotified("h"), 40U) << flag;
    ExpectSeen("h", 1, 101);
    EXPECT_GT(recorded_.count("h90"), 0U) << flag;
  }
}

TEST_F(PreloadTest, RepeatsAreRecordedOnceUntilNamesMayHaveChanged) {
  Probe("repeats");
  for (int i = 0; i < 10; ++i) {
    // chdir(".") raises the generation.
    EXPECT_EQ(recorded_.count(Numbered("again", i)), 2U);
  }
}

TEST_F(PreloadTest, ManyNamesInTurnDoNotDisplaceEachOther) {
  Probe("many-repeats");
  ExpectSeen("of-many", 0, 2000);
  // Some twice: the small table is left, and a line of the large one is full.
  EXPECT_LT(result_.records.size(), 2300U);
}

TEST_F(PreloadTest, AProgramsOwnFilterSeesNoCallOfOurs) {
  for (const char* how : {"unattached", "attached", "attached-call"}) {
    Probe("own-filter", how);
    ExpectSeen("filtered", 0, 100);
    ExpectSeen("filtered-in-root", 0, 100);
    EXPECT_EQ(result_.hellos, std::string(how) == "unattached" ? 0 : 1);
  }
}

TEST_F(PreloadTest, OtherNamespacesAndDeepBindingBypassUs) {
  Probe("library", VT_LOOK);
  EXPECT_THAT(notified_, Contains("deep-bound"));
  EXPECT_THAT(notified_, Contains("other-namespace"));
}

TEST_F(PreloadTest, AUsersOwnPreloadSeesCallsFirst) {
  options_.preload = std::string(VT_FIRST_PRELOAD) + ":" + VT_PRELOAD;
  Probe("fill", "100");
  EXPECT_EQ(result_.output, "100\n");
  ExpectSigned("filling-the-chunk-with-a-long-name-", 20, 100);
}

TEST_F(PreloadTest, FortifiedFunctionsEndTheProgramAsLibcDoes) {
  const char* const kExpected[][2] = {
      {"readlink", "*** buffer overflow detected ***: terminated\n"},
      {"open",
       "*** invalid open call: O_CREAT or O_TMPFILE without mode ***: "
       "terminated\n"}};
  for (const auto& expected : kExpected) {
    std::string outputs[2];
    for (const bool with_preload : {false, true}) {
      options_.preload = with_preload ? VT_PRELOAD : "";
      options_.argv = {VT_PROBE, "overflow", expected[0]};
      options_.cwd = directory_.string();
      result_ = RunUnderFakeDaemon(options_);
      EXPECT_TRUE(WIFSIGNALED(result_.status));
      EXPECT_EQ(WTERMSIG(result_.status), SIGABRT);
      EXPECT_EQ(result_.output, expected[1]);
    }
  }
}

TEST_F(PreloadTest, WithoutATracerNothingHappens) {
  const std::string command = std::string("cd ") + directory_.string() +
                              " && LD_PRELOAD=" + VT_PRELOAD + " " + VT_PROBE +
                              " fill 100";
  EXPECT_EQ(std::system(command.c_str()), 0);
}

TEST_F(PreloadTest, CleanedEnvironmentIsNotified) {
  Run({"/usr/bin/env", "-i", VT_PROBE, "fill", "50"});
  EXPECT_EQ(CountNotified("filling"), 50U);
}

// A program of the dynamic AddressSanitizer insists on its library being named
// first; the second name of ours says so.
TEST_F(PreloadTest, SanitizedProgramsStart) {
#ifdef VT_PLAIN_ASAN
  std::filesystem::create_symlink(
      std::filesystem::path(VT_PRELOAD).parent_path(),
      Path("before-libasan.so"));
  options_.preload = Path("before-libasan.so/vt_preload.so");
  options_.env.push_back("ASAN_OPTIONS=detect_leaks=0");
  Run({VT_PLAIN_ASAN});
  EXPECT_EQ(result_.output, "fine\n");
  ExpectSeen("plain", 0, 80);
  ExpectSigned("plain", 10, 80);
#else
  GTEST_SKIP() << "the compiler makes no dynamic AddressSanitizer program";
#endif
}

TEST_F(PreloadTest, MuslProgramsLoadTheSameFile) {
#ifdef VT_PLAIN_MUSL
  Run({VT_PLAIN_MUSL});
  EXPECT_EQ(result_.output, "fine\n");
  ExpectSigned("plain", 10, 80);
  EXPECT_EQ(result_.hellos, 1);
#else
  GTEST_SKIP() << "no musl-gcc";
#endif
}

// A 32-bit loader finds the empty twin, and a 64-bit one the library.
TEST_F(PreloadTest, TheNameWithLibSuitsBothWordSizes) {
#ifdef VT_LOADED32
  std::filesystem::create_directories(Path("m/lib32"));
  std::filesystem::create_directories(Path("m/lib/i386-linux-gnu"));
  std::filesystem::create_directories(Path("m/lib/x86_64-linux-gnu"));
  std::filesystem::create_directories(Path("m/lib64"));
  for (const char* place : {"m/lib32", "m/lib/i386-linux-gnu", "m/lib"}) {
    std::filesystem::create_symlink(
        VT_PRELOAD_32, Path(std::string(place) + "/vt_preload.so"));
  }
  for (const char* place : {"m/lib64", "m/lib/x86_64-linux-gnu"}) {
    std::filesystem::create_symlink(
        VT_PRELOAD, Path(std::string(place) + "/vt_preload.so"));
  }
  options_.preload = Path("m/$LIB/vt_preload.so");
  Run({"/bin/sh", "-c",
       std::string(VT_LOADED32) + "; " + VT_PROBE + " fill 50"});
  EXPECT_EQ(result_.output, "") << "a loader complained";
  ExpectSigned("filling-the-chunk-with-a-long-name-", 10, 50);
#else
  GTEST_SKIP() << "no 32-bit loader, or no compiler for it";
#endif
}

}  // namespace
}  // namespace vt::test
