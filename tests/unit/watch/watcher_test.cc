// SPDX-License-Identifier: Apache-2.0
//
// What ends a lease, and what does not. Every change is made as a program would
// make it, and must be known at the next Sync.

#include "daemon/watch/watcher.h"

#include <fcntl.h>
#include <linux/fs.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include <gtest/gtest.h>

#include "daemon/watch/mounts.h"
#include "tests/support/temp_dir.h"

namespace vt::watch {
namespace {

namespace fs = std::filesystem;

void Write(const fs::path& path, const std::string& text) {
  std::ofstream(path) << text;
}

class WatcherTest : public testing::Test {
 protected:
  WatcherTest() : watcher_(*Watcher::Create({})), root_(dir_.path() / "w") {
    fs::create_directories(root_ / "a/src");
    Write(root_ / "a/src/x", "x");
    Write(root_ / "package.json", "{}");
  }

  base::Consulted Paths(const std::vector<std::string>& paths,
                        bool follows = false) const {
    base::Consulted consulted;
    for (const std::string& path : paths) {
      const fs::path name = root_ / path;
      struct stat st = {};
      const bool linked = ::lstat(name.c_str(), &st) == 0 &&
                          S_ISREG(st.st_mode) && st.st_nlink > 1;
      consulted.paths.push_back({name.string(), follows, linked});
    }
    return consulted;
  }
  base::Consulted Listing(const std::string& path, bool directories_only) {
    base::Consulted consulted;
    consulted.listings.push_back({(root_ / path).string(), directories_only});
    return consulted;
  }

  // The first time arms, the second promises.
  LeasePtr Lease(const base::Consulted& consulted) {
    EXPECT_TRUE(watcher_->Sync());
    watcher_->Take(consulted, root_.string(), watcher_->Now());
    return watcher_->Take(consulted, root_.string(), watcher_->Now());
  }

  bool Holds(const LeasePtr& lease) {
    EXPECT_TRUE(watcher_->Sync());
    return lease->holds();
  }

  // Whether a lease on `consulted` outlives `change`.
  bool Survives(const base::Consulted& consulted,
                const std::function<void()>& change) {
    const LeasePtr lease = Lease(consulted);
    EXPECT_NE(lease, nullptr);
    if (lease == nullptr) {
      return false;
    }
    EXPECT_TRUE(Holds(lease));
    change();
    return Holds(lease);
  }

  test::TempDir dir_;
  std::unique_ptr<Watcher> watcher_;
  fs::path root_;
};

TEST_F(WatcherTest, ALeaseHoldsWhileNothingHappens) {
  const LeasePtr lease = Lease(Paths({"a/src/x", "a/src/missing"}));
  ASSERT_NE(lease, nullptr);
  EXPECT_TRUE(Holds(lease));
  EXPECT_TRUE(Holds(lease));
}

TEST_F(WatcherTest, EachPartHasALeaseOfItsOwn) {
  const base::Consulted source = Paths({"a/src/x"});
  const base::Consulted manifest = Paths({"package.json"});
  base::Consulted git;
  git.unwatchable = true;
  const auto take = [&] {
    return watcher_->TakeEach({&source, &git, &manifest}, root_.string(),
                              watcher_->Now());
  };
  take();
  const std::vector<LeasePtr> leases = take();
  ASSERT_EQ(leases.size(), 3U);
  ASSERT_NE(leases[0], nullptr);
  EXPECT_EQ(leases[1], nullptr);
  ASSERT_NE(leases[2], nullptr);
  Write(root_ / "a/src/x", "y");
  EXPECT_FALSE(Holds(leases[0]));
  EXPECT_TRUE(Holds(leases[2]));
  // A directory above both.
  fs::rename(root_, dir_.path() / "away");
  EXPECT_FALSE(Holds(leases[2]));
}

TEST_F(WatcherTest, WhatWasNotWatchedFromTheBeginningIsNotLeased) {
  const base::Consulted consulted = Paths({"a/src/x"});
  const Watcher::Moment since = watcher_->Now();
  EXPECT_EQ(watcher_->Take(consulted, root_.string(), since), nullptr);
  // Watched now, but the computation began before that.
  EXPECT_EQ(watcher_->Take(consulted, root_.string(), since), nullptr);
  EXPECT_NE(watcher_->Take(consulted, root_.string(), watcher_->Now()),
            nullptr);
}

TEST_F(WatcherTest, WhatIsWatchedBeforehandIsLeasedTheFirstTime) {
  fs::create_directory(root_ / "a/more");
  // Of each directory one name suffices.
  const Watcher::Moment since =
      watcher_->Watch(Paths({"a/src/other"}), root_.string());
  EXPECT_NE(watcher_->Take(Paths({"a/src/x"}), root_.string(), since), nullptr);
  EXPECT_EQ(watcher_->Take(Paths({"a/src/x", "a/more/x"}), root_.string(),
                           since),
            nullptr);
}

TEST_F(WatcherTest, WhatIsWatchedBeforehandAndThenChangesIsNotLeased) {
  const base::Consulted consulted = Paths({"a/src/x"});
  const Watcher::Moment since = watcher_->Watch(consulted, root_.string());
  Write(root_ / "a/src/x", "y");
  EXPECT_EQ(watcher_->Take(consulted, root_.string(), since), nullptr);
}

TEST_F(WatcherTest, APartThatBeganLaterIsLeasedByWhatWasSinceThen) {
  base::Consulted part = Paths({"a/src/x"});
  base::Consulted rest = Paths({"a/src/x"});
  const Watcher::Moment since = watcher_->Now();
  part.since = watcher_->Watch(part, root_.string());
  std::vector<LeasePtr> leases =
      watcher_->TakeEach({&part, &rest}, root_.string(), since);
  EXPECT_NE(leases[0], nullptr);
  EXPECT_EQ(leases[1], nullptr);
  part.since = watcher_->Watch(part, root_.string());
  Write(root_ / "a/src/x", "y");
  leases = watcher_->TakeEach({&part}, root_.string(), since);
  EXPECT_EQ(leases[0], nullptr);
}

TEST_F(WatcherTest, WhatChangedMeanwhileIsNotLeased) {
  const base::Consulted consulted = Paths({"a/src/x"});
  ASSERT_NE(Lease(consulted), nullptr);
  const Watcher::Moment since = watcher_->Now();
  Write(root_ / "a/src/x", "y");
  EXPECT_EQ(watcher_->Take(consulted, root_.string(), since), nullptr);
}

TEST_F(WatcherTest, AListingThatChangedMeanwhileIsNotLeased) {
  for (const bool directories_only : {false, true}) {
    const base::Consulted consulted = Listing("a", directories_only);
    ASSERT_NE(Lease(consulted), nullptr);
    const Watcher::Moment since = watcher_->Now();
    fs::create_directory(root_ / "a" / (directories_only ? "d" : "e"));
    EXPECT_EQ(watcher_->Take(consulted, root_.string(), since), nullptr);
  }
}

TEST_F(WatcherTest, WhatChangedLongerAgoThanAnybodyRemembersIsNotLeased) {
  const base::Consulted consulted = Paths({"a/src/x"});
  ASSERT_NE(Lease(consulted), nullptr);
  const Watcher::Moment since = watcher_->Now();
  Write(root_ / "a/src/x", "y");
  for (int i = 0; i < 3000; ++i) {
    fs::create_directory(root_ / "a/other");
    fs::remove(root_ / "a/other");
  }
  EXPECT_EQ(watcher_->Take(consulted, root_.string(), since), nullptr);
  EXPECT_NE(watcher_->Take(consulted, root_.string(), watcher_->Now()),
            nullptr);
}

TEST_F(WatcherTest, WhatChangedBesideItMeanwhileDoesNotMatter) {
  const base::Consulted consulted = Paths({"a/src/x"});
  ASSERT_NE(Lease(consulted), nullptr);
  const Watcher::Moment since = watcher_->Now();
  Write(root_ / "a/src/y", "y");
  EXPECT_NE(watcher_->Take(consulted, root_.string(), since), nullptr);
}

TEST_F(WatcherTest, WhatCannotBeWatchedIsNotLeased) {
  base::Consulted consulted = Paths({"a/src/x"});
  consulted.unwatchable = true;
  EXPECT_EQ(Lease(consulted), nullptr);
}

TEST_F(WatcherTest, EveryWayToChangeAFileEndsIt) {
  const fs::path x = root_ / "a/src/x";
  const fs::path other = root_ / "other";
  const std::vector<std::pair<const char*, std::function<void()>>> changes = {
      {"write", [&] { Write(x, "y"); }},
      {"append", [&] { std::ofstream(x, std::ios::app) << "y"; }},
      {"truncate", [&] { fs::resize_file(x, 0); }},
      {"chmod", [&] { ::chmod(x.c_str(), 0755); }},
      {"utime",
       [&] { fs::last_write_time(x, fs::file_time_type::clock::now()); }},
      {"rename over it",
       [&] {
         Write(other, "y");
         fs::rename(other, x);
       }},
      {"rename away", [&] { fs::rename(x, other); }},
      {"rename its directory",
       [&] { fs::rename(root_ / "a/src", root_ / "a/old"); }},
      {"rename the one above", [&] { fs::rename(root_ / "a", root_ / "b"); }},
      {"rename the root", [&] { fs::rename(root_, dir_.path() / "moved"); }},
      {"remove", [&] { fs::remove(x); }},
      {"remove all", [&] { fs::remove_all(root_ / "a"); }},
      {"replace by a directory",
       [&] {
         fs::remove(x);
         fs::create_directory(x);
       }},
      {"exchange directories",
       [&] {
         fs::create_directories(root_ / "b/src");
         ASSERT_EQ(::renameat2(AT_FDCWD, (root_ / "a").c_str(), AT_FDCWD,
                               (root_ / "b").c_str(), RENAME_EXCHANGE),
                   0);
       }},
      {"copy in the kernel",
       [&] {
         Write(other, "y");
         const int from = ::open(other.c_str(), O_RDONLY);
         const int to = ::open(x.c_str(), O_WRONLY);
         EXPECT_EQ(::copy_file_range(from, nullptr, to, nullptr, 1, 0), 1);
         ::close(from);
         ::close(to);
       }},
      {"a mapping",
       [&] {
         const int fd = ::open(x.c_str(), O_RDWR);
         auto* page = static_cast<char*>(
             ::mmap(nullptr, 1, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0));
         ::close(fd);
         *page = 'z';
         ::munmap(page, 1);
       }},
  };
  for (const auto& [name, change] : changes) {
    fs::remove_all(root_);
    fs::create_directories(root_ / "a/src");
    Write(x, "x");
    EXPECT_FALSE(Survives(Paths({"a/src/x"}), change)) << name;
    fs::remove_all(dir_.path() / "moved");
  }
}

TEST_F(WatcherTest, ReadingAndNeighboursDoNotEndIt) {
  EXPECT_TRUE(Survives(Paths({"a/src/x", "a/src/missing"}), [&] {
    std::string text;
    std::ifstream(root_ / "a/src/x") >> text;
    Write(root_ / "a/src/y", "y");
    Write(root_ / "a/z", "z");
    fs::create_directory(root_ / "a/dist");
    for (const auto& entry : fs::recursive_directory_iterator(root_)) {
      static_cast<void>(entry);
    }
  }));
}

TEST_F(WatcherTest, WhatIsBesideTheRootWakesNobody) {
  base::Consulted consulted = Paths({"a/src/x"});
  consulted.paths.push_back({root_.string(), /*follows=*/true, false});
  const auto wakes = [&] {
    pollfd wait = {watcher_->fd(), POLLIN, 0};
    return ::poll(&wait, 1, 0) > 0;
  };
  const LeasePtr lease = Lease(consulted);
  ASSERT_NE(lease, nullptr);
  Write(dir_.path() / "beside", "1");
  EXPECT_FALSE(wakes());
  Write(root_ / "a/src/y", "1");
  EXPECT_TRUE(wakes());
  EXPECT_TRUE(Holds(lease));
  ::chmod(root_.c_str(), 0700);
  EXPECT_FALSE(Holds(lease));
}

TEST_F(WatcherTest, WhatAppearsWhereNothingWasEndsIt) {
  EXPECT_FALSE(Survives(Paths({"a/src/missing"}),
                        [&] { Write(root_ / "a/src/missing", "x"); }));
  EXPECT_FALSE(Survives(Paths({"a/lib/deep/missing"}),
                        [&] { fs::create_directory(root_ / "a/lib"); }));
  EXPECT_FALSE(Survives(Paths({"a/src/x/below"}), [&] {
    fs::remove(root_ / "a/src/x");
    fs::create_directory(root_ / "a/src/x");
  }));
}

// There, a directory on the way is not watched in full.
TEST_F(WatcherTest, WhatAppearsOutsideOfTheRootEndsIt) {
  fs::create_directory(dir_.path() / "out");
  EXPECT_FALSE(Survives(Paths({"../out/lib/deep/missing"}), [&] {
    fs::create_directory(dir_.path() / "out/lib");
  }));
  fs::create_directory_symlink("lib", dir_.path() / "out/link");
  EXPECT_FALSE(Survives(Paths({"../out/link/missing"}), [&] {
    fs::remove(dir_.path() / "out/link");
    fs::create_directory_symlink("other", dir_.path() / "out/link");
  }));
}

TEST_F(WatcherTest, WhatIsOutsideOfTheRootIsWatchedToo) {
  const fs::path out = dir_.path() / "out";
  fs::create_directory(out);
  Write(out / "x", "x");
  EXPECT_FALSE(Survives(Paths({"../out/x"}), [&] { Write(out / "x", "y"); }));
  fs::create_directory(out / "listed");
  EXPECT_FALSE(Survives(Listing("../out/listed", false),
                        [&] { Write(out / "listed/new", ""); }));
}

// Nothing in it has to go before it does, and itself it tells nobody.
TEST_F(WatcherTest, AnEmptyDirectoryThatIsHeldOpenOutsideOfTheRootIsHeardToGo) {
  const std::vector<std::pair<std::string, base::Consulted>> cases = {
      {"1", Paths({"../out1/d/missing"}, /*follows=*/true)},
      {"2", Paths({"../out2/d/missing"}, /*follows=*/false)},
      {"3", Paths({"../out3/d/missing/below"})},
      {"4", Listing("../out4/d", /*directories_only=*/false)},
      {"5", Listing("../out5/d", /*directories_only=*/true)},
      {"6", Paths({"../out6/d"}, /*follows=*/true)},
  };
  for (const auto& [name, consulted] : cases) {
    const fs::path empty = dir_.path() / ("out" + name) / "d";
    fs::create_directories(empty);
    const int held = ::open(empty.c_str(), O_RDONLY | O_DIRECTORY);
    EXPECT_FALSE(Survives(consulted, [&] {
      fs::remove(empty);
      fs::create_directories(empty / "missing/below");
    })) << name;
    ::close(held);
  }
}

TEST_F(WatcherTest, WhatWasOnlyOnTheWayFromTheBeginningIsNotLeased) {
  fs::create_directories(dir_.path() / "out/sub");
  ASSERT_NE(Lease(Paths({"../out/sub/x"})), nullptr);
  const base::Consulted consulted = Paths({"../out/y"});
  const Watcher::Moment since = watcher_->Now();
  EXPECT_EQ(watcher_->Take(consulted, root_.string(), since), nullptr);
  EXPECT_NE(watcher_->Take(consulted, root_.string(), watcher_->Now()),
            nullptr);
}

TEST_F(WatcherTest, AListingEndsWithEntriesButNotWithTheirContent) {
  EXPECT_TRUE(Survives(Listing("a/src", false),
                       [&] { Write(root_ / "a/src/x", "y"); }));
  EXPECT_FALSE(Survives(Listing("a/src", false),
                        [&] { Write(root_ / "a/src/new", "y"); }));
  EXPECT_FALSE(Survives(Listing("a/src", false),
                        [&] { fs::remove(root_ / "a/src/new"); }));
  EXPECT_TRUE(Survives(Listing("a/src", true),
                       [&] { Write(root_ / "a/src/new", "y"); }));
  EXPECT_FALSE(Survives(Listing("a/src", true),
                        [&] { fs::create_directory(root_ / "a/src/d"); }));
  EXPECT_FALSE(Survives(Listing("a/src", true),
                        [&] { fs::rename(root_ / "a/src", root_ / "s"); }));
}

TEST_F(WatcherTest, ALinkOnTheWayIsFollowed) {
  fs::create_directories(root_ / "packages/b");
  Write(root_ / "packages/b/y", "y");
  fs::create_directories(root_ / "node_modules");
  fs::create_directory_symlink("../packages/b", root_ / "node_modules/b");
  const base::Consulted consulted = Paths({"node_modules/b/y"});
  EXPECT_FALSE(
      Survives(consulted, [&] { Write(root_ / "packages/b/y", "z"); }));
  EXPECT_FALSE(Survives(consulted, [&] {
    fs::create_directories(root_ / "packages/c");
    fs::remove(root_ / "node_modules/b");
    fs::create_directory_symlink("../packages/c", root_ / "node_modules/b");
  }));
}

TEST_F(WatcherTest, ALinkAtTheEndIsFollowedIfTheComputationDid) {
  fs::create_symlink("a/src/x", root_ / "link");
  EXPECT_FALSE(Survives(Paths({"link"}, /*follows=*/true),
                        [&] { Write(root_ / "a/src/x", "y"); }));
  EXPECT_TRUE(Survives(Paths({"link"}, /*follows=*/false),
                       [&] { Write(root_ / "a/src/x", "z"); }));
  fs::create_symlink("circle", root_ / "circle");
  EXPECT_EQ(Lease(Paths({"circle"}, /*follows=*/true)), nullptr);
}

TEST_F(WatcherTest, AFileWithAnotherNameIsWatchedItself) {
  fs::create_hard_link(root_ / "a/src/x", dir_.path() / "outside");
  EXPECT_FALSE(Survives(Paths({"a/src/x"}),
                        [&] { Write(dir_.path() / "outside", "y"); }));
  EXPECT_TRUE(Survives(Paths({"a/src/x"}),
                       [&] { Write(dir_.path() / "unrelated", "y"); }));
}

TEST_F(WatcherTest, AFileByTwoNamesInOneWorkspaceIsWatched) {
  fs::create_hard_link(root_ / "a/src/x", root_ / "a/src/y");
  fs::create_hard_link(root_ / "a/src/x", dir_.path() / "outside");
  const base::Consulted consulted = Paths({"a/src/x", "a/src/y"});
  EXPECT_FALSE(
      Survives(consulted, [&] { Write(dir_.path() / "outside", "y"); }));
  EXPECT_FALSE(Survives(consulted, [&] { fs::remove(root_ / "a/src/y"); }));
  EXPECT_FALSE(Survives(Paths({"a/src/x"}),
                        [&] { Write(dir_.path() / "outside", "z"); }));
}

// One way at a time: most ways of writing raise several events.
TEST_F(WatcherTest, EveryChangeByAnotherNameEndsIt) {
  const fs::path outside = dir_.path() / "outside";
  fs::create_hard_link(root_ / "a/src/x", outside);
  const base::Consulted consulted = Paths({"a/src/x"});
  EXPECT_FALSE(Survives(consulted, [&] { ::chmod(outside.c_str(), 0600); }));
  const int fd = ::open(outside.c_str(), O_RDWR);
  EXPECT_FALSE(Survives(consulted, [&] {
    EXPECT_EQ(::write(fd, "y", 1), 1);  // not closed yet
  }));
  EXPECT_FALSE(Survives(consulted, [&] { ::close(fd); }));
}

TEST_F(WatcherTest, ANewNameOfSomeFileEndsAllThereIs) {
  // What is written by it would not be seen under the old one.
  EXPECT_FALSE(Survives(Paths({"a/src/x"}), [&] {
    fs::create_hard_link(root_ / "a/src/x", root_ / "a/src/second");
  }));
}

TEST_F(WatcherTest, WhatGotANewNameMeanwhileIsNotLeased) {
  const base::Consulted consulted = Paths({"a/src/x"});
  ASSERT_NE(Lease(consulted), nullptr);
  const Watcher::Moment since = watcher_->Now();
  fs::create_hard_link(root_ / "a/src/x", root_ / "a/src/second");
  EXPECT_EQ(watcher_->Take(consulted, root_.string(), since), nullptr);
}

TEST_F(WatcherTest, ARecreatedWorkspaceIsWatchedAnew) {
  const base::Consulted consulted = Paths({"a/src/x"});
  ASSERT_NE(Lease(consulted), nullptr);
  // Held open, so that the kernel does not report its end.
  const int held = ::open(root_.c_str(), O_RDONLY | O_DIRECTORY);
  fs::remove_all(root_);
  fs::create_directories(root_ / "a/src");
  Write(root_ / "a/src/x", "x");
  EXPECT_FALSE(Survives(consulted, [&] { Write(root_ / "a/src/x", "y"); }));
  EXPECT_FALSE(Survives(consulted, [&] { Write(root_ / "a/src/x", "z"); }));
  ::close(held);
}

// While it is held open, the kernel does not report the end of a directory that
// was removed.
TEST_F(WatcherTest, ADirectoryThatSomebodyHoldsIsNotTakenForItsSuccessor) {
  for (const char* name : {"", "a", "a/src"}) {
    const fs::path directory = name[0] == '\0' ? root_ : root_ / name;
    const std::string missing = (fs::path(name) / "missing").string();
    ASSERT_NE(Lease(Paths({missing, "a/src/x"})), nullptr);
    const int held = ::open(directory.c_str(), O_RDONLY | O_DIRECTORY);
    fs::remove_all(directory);
    fs::create_directories(root_ / "a/src");
    Write(root_ / "a/src/x", "x");
    EXPECT_FALSE(Survives(Paths({missing}), [&] {
      Write(directory / "missing", "y");
    })) << name;
    ::close(held);
  }
}

TEST_F(WatcherTest, ADirectoryThatCameBackIsWatchedAnew) {
  const base::Consulted consulted = Paths({"a/src/x"});
  ASSERT_NE(Lease(consulted), nullptr);
  fs::rename(root_ / "a", root_ / "b");
  fs::rename(root_ / "b", root_ / "a");
  EXPECT_FALSE(Survives(consulted, [&] { Write(root_ / "a/src/x", "y"); }));
}

TEST_F(WatcherTest, WhatIsBelowADirectoryThatTookTheNameIsWatchedAnew) {
  const base::Consulted consulted = Paths({"a/src/x"});
  ASSERT_NE(Lease(consulted), nullptr);
  fs::rename(root_ / "a", root_ / "b");
  fs::create_directories(root_ / "a/src");
  Write(root_ / "a/src/x", "another");
  EXPECT_FALSE(Survives(consulted, [&] { Write(root_ / "a/src/x", "y"); }));
}

// Also if somebody has read the queue before a run asks.
TEST_F(WatcherTest, AnOverflowEndsEverything) {
  const LeasePtr lease = Lease(Paths({"a/src/x"}));
  ASSERT_NE(lease, nullptr);
  int64_t limit = 0;
  std::ifstream("/proc/sys/fs/inotify/max_queued_events") >> limit;
  // Alternating, so that the kernel cannot join them.
  const fs::path y = root_ / "a/src/y";
  const fs::path z = root_ / "a/src/z";
  Write(y, "");
  Write(z, "");
  for (int64_t i = 0; i < limit; ++i) {
    ::chmod((i % 2 == 0 ? y : z).c_str(), 0644);
  }
  // Not by a cookie that does not come: there is room for it again.
  watcher_->Drain();
  EXPECT_TRUE(watcher_->Sync());
  EXPECT_FALSE(lease->holds());
  EXPECT_FALSE(
      Survives(Paths({"a/src/x"}), [&] { Write(root_ / "a/src/x", "y"); }));
}

TEST_F(WatcherTest, OverTheBudgetNothingIsLeased) {
  Watcher::Options options;
  options.budget = 3;
  watcher_ = *Watcher::Create(options);
  EXPECT_EQ(Lease(Paths({"a/src/x"})), nullptr);
  EXPECT_LE(watcher_->watches(), 3U);
}

TEST_F(WatcherTest, WhatNoLeaseNeedsIsGivenUp) {
  LeasePtr lease = Lease(Paths({"a/src/x"}));
  ASSERT_NE(lease, nullptr);
  watcher_->Sweep();
  EXPECT_TRUE(Holds(lease));
  EXPECT_GT(watcher_->watches(), 0U);
  lease = nullptr;
  EXPECT_EQ(watcher_->leases(), 0U);
  watcher_->Sweep();
  EXPECT_EQ(watcher_->watches(), 0U);
}

TEST_F(WatcherTest, PurgingEndsNoLeaseAndNoWatch) {
  const LeasePtr lease = Lease(Paths({"a/src/x"}));
  ASSERT_NE(lease, nullptr);
  Lease(Paths({"a/src/y"}));  // ended at once
  const size_t watches = watcher_->watches();
  watcher_->Purge();
  EXPECT_EQ(watcher_->watches(), watches);
  EXPECT_TRUE(Holds(lease));
  // What was watched before is so still: the first time promises.
  EXPECT_NE(watcher_->Take(Paths({"a/src/y"}), root_.string(), watcher_->Now()),
            nullptr);
  Write(root_ / "a/src/x", "y");
  EXPECT_FALSE(Holds(lease));
}

TEST_F(WatcherTest, AProcFileIsNotLeased) {
  base::Consulted consulted;
  consulted.paths.push_back({"/proc/self/status", false, false});
  EXPECT_EQ(Lease(consulted), nullptr);
}

TEST_F(WatcherTest, AMountOverItEndsIt) {
  if (::getuid() != 0) {
    GTEST_SKIP() << "REQUIRES(root): uid is " << ::getuid();
  }
  const std::string target = (root_ / "a").string();
  const LeasePtr lease = Lease(Paths({"a/src/x"}));
  ASSERT_NE(lease, nullptr);
  const LeasePtr other = Lease(Paths({"package.json"}));
  if (::mount("none", target.c_str(), "tmpfs", 0, nullptr) != 0) {
    GTEST_SKIP() << "REQUIRES(mount): cannot mount";
  }
  EXPECT_FALSE(Holds(lease));
  EXPECT_TRUE(Holds(other));
  ::umount2(target.c_str(), MNT_DETACH);
}

// A bind mount's file system stays when it goes, so nothing else tells of it.
TEST_F(WatcherTest, TheEndOfAMountEndsIt) {
  if (::getuid() != 0) {
    GTEST_SKIP() << "REQUIRES(root): uid is " << ::getuid();
  }
  const fs::path other = dir_.path() / "other";
  fs::create_directories(other / "src");
  Write(other / "src/x", "mounted");
  const std::string target = (root_ / "a").string();
  if (::mount(other.c_str(), target.c_str(), "", MS_BIND, nullptr) != 0) {
    GTEST_SKIP() << "REQUIRES(mount): cannot mount";
  }
  EXPECT_FALSE(Survives(Paths({"a/src/x"}),
                        [&] { EXPECT_EQ(::umount(target.c_str()), 0); }));
}

// Other ways to the same file, by which it is changed.
TEST_F(WatcherTest, AChangeThroughAnotherMountIsHeard) {
  if (::getuid() != 0) {
    GTEST_SKIP() << "REQUIRES(root): uid is " << ::getuid();
  }
  const fs::path directory = dir_.path() / "bound";
  const fs::path file = dir_.path() / "bound-file";
  fs::create_directory(directory);
  Write(file, "");
  const auto bind = [](const fs::path& from, const fs::path& to) {
    return ::mount(from.c_str(), to.c_str(), "", MS_BIND, nullptr) == 0;
  };
  if (!bind(root_ / "a/src", directory) || !bind(root_ / "a/src/x", file)) {
    GTEST_SKIP() << "REQUIRES(mount): cannot mount";
  }
  const base::Consulted consulted = Paths({"a/src/x"});
  EXPECT_FALSE(Survives(consulted, [&] { Write(directory / "x", "by dir"); }));
  EXPECT_FALSE(Survives(consulted, [&] { Write(file, "by file"); }));
  EXPECT_FALSE(Survives(consulted, [&] {
    // In a name space of mounts of its own.
    EXPECT_EQ(::system(absl::StrCat("unshare -m sh -c 'echo y >> ",
                                    (root_ / "a/src/x").string(), "'")
                           .c_str()),
              0);
  }));
  ::umount2(directory.c_str(), MNT_DETACH);
  ::umount2(file.c_str(), MNT_DETACH);
}

// One inode has one watch, for both ways to it.
TEST_F(WatcherTest, TwoWaysToOneDirectoryAreBothWatched) {
  if (::getuid() != 0) {
    GTEST_SKIP() << "REQUIRES(root): uid is " << ::getuid();
  }
  const fs::path bound = dir_.path() / "bound";
  fs::create_directory(bound);
  if (::mount((root_ / "a").c_str(), bound.c_str(), "", MS_BIND, nullptr) !=
      0) {
    GTEST_SKIP() << "REQUIRES(mount): cannot mount";
  }
  // Full by its first way, only on the way by the second.
  const LeasePtr first = Lease(Paths({"a/x"}));
  const LeasePtr second = Lease(Paths({"../bound/src/x"}));
  ASSERT_NE(first, nullptr);
  ASSERT_NE(second, nullptr);
  Write(root_ / "a/x", "");
  EXPECT_FALSE(Holds(first));
  EXPECT_TRUE(Holds(second));
  const LeasePtr both[] = {Lease(Paths({"a/src/x"})),
                           Lease(Paths({"../bound/src/x"}))};
  Write(root_ / "a/src/x", "y");
  EXPECT_FALSE(Holds(both[0]));
  EXPECT_FALSE(Holds(both[1]));
  ::umount2(bound.c_str(), MNT_DETACH);
}

TEST_F(WatcherTest, AnOverlayIsNotLeased) {
  if (::getuid() != 0) {
    GTEST_SKIP() << "REQUIRES(root): uid is " << ::getuid();
  }
  const fs::path base = dir_.path() / "overlay";
  for (const char* name : {"lower", "upper", "work"}) {
    fs::create_directories(base / name);
  }
  const std::string options =
      absl::StrCat("lowerdir=", (base / "lower").string(),
                   ",upperdir=", (base / "upper").string(),
                   ",workdir=", (base / "work").string());
  fs::create_directory(root_ / "o");
  if (::mount("o", (root_ / "o").c_str(), "overlay", 0, options.c_str()) != 0) {
    GTEST_SKIP() << "REQUIRES(mount): cannot mount an overlay";
  }
  Write(root_ / "o/f", "1");
  EXPECT_EQ(Lease(Paths({"o/f"})), nullptr);
  EXPECT_EQ(Lease(Listing("o", false)), nullptr);
  EXPECT_NE(Lease(Paths({"a/src/x"})), nullptr);
  ::umount2((root_ / "o").c_str(), MNT_DETACH);
}

TEST_F(WatcherTest, ADirectoryThatIgnoresCaseIsNotLeased) {
  const fs::path folder = root_ / "folded";
  fs::create_directory(folder);
  // tmpfs does so since Linux 6.13, ext4 if it was made for it.
  bool folds = ::getuid() == 0 &&
               ::mount("none", folder.c_str(), "tmpfs", 0, "casefold") == 0;
  fs::create_directory(folder / "sub");
  if (folds) {
    const int fd = ::open((folder / "sub").c_str(), O_RDONLY | O_DIRECTORY);
    int flags = 0x40000000;  // FS_CASEFOLD_FL
    folds = ::ioctl(fd, FS_IOC_SETFLAGS, &flags) == 0;
    ::close(fd);
  }
  if (!folds) {
    ::umount2(folder.c_str(), MNT_DETACH);
    GTEST_SKIP() << "REQUIRES(casefold): no file system here does that";
  }
  Write(folder / "sub/x", "1");
  Write(folder / "y", "1");
  EXPECT_EQ(Lease(Paths({"folded/sub/X"})), nullptr);
  EXPECT_NE(Lease(Paths({"folded/y"})), nullptr);
  ::umount2(folder.c_str(), MNT_DETACH);
}

// While a file is mapped and written, nothing tells, nor does stat(2) after the
// first store. But the end of the mapping does, whoever closed the file before.
TEST_F(WatcherTest, TheEndOfAMappingIsHeard) {
  const fs::path x = root_ / "a/src/x";
  const int fd = ::open(x.c_str(), O_RDWR);
  auto* page = static_cast<char*>(
      ::mmap(nullptr, 1, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0));
  ::close(fd);
  const LeasePtr lease = Lease(Paths({"a/src/x"}));
  ASSERT_NE(lease, nullptr);
  *page = 'z';
  ::munmap(page, 1);
  EXPECT_FALSE(Holds(lease));
}

// For TSan. What each thread is promised must hold until its own write.
TEST_F(WatcherTest, ManyThreadsTakeAndEndLeases) {
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([this, t] {
      const std::string name = absl::StrCat("a/src/t", t);
      Write(root_ / name, "0");
      const base::Consulted consulted = Paths({name});
      for (int i = 0; i < 50; ++i) {
        const LeasePtr lease = Lease(consulted);
        ASSERT_NE(lease, nullptr);
        EXPECT_TRUE(lease->holds());
        Write(root_ / name, absl::StrCat(i));
        EXPECT_FALSE(Holds(lease));
      }
    });
  }
  for (std::thread& thread : threads) {
    thread.join();
  }
}

TEST(MountsTest, TheMountPointIsTheFifthFieldUnescaped) {
  EXPECT_EQ(MountPointOf("36 35 98:0 /m /a\\040b rw - ext4 /dev/x rw"), "/a b");
  EXPECT_EQ(MountPointOf(""), "");
}

}  // namespace
}  // namespace vt::watch
