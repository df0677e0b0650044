// SPDX-License-Identifier: Apache-2.0
//
// What is stored, what is not, and what a failed store leaves.

#include "daemon/cache/store_action.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <thread>

#include "daemon/base/consulted.h"
#include "daemon/base/file_clock.h"
#include "daemon/base/unique_fd.h"
#include "tests/unit/cache/cache_fixture.h"
#include "tests/unit/cache/fault_injecting_database.h"

namespace vt::cache {
namespace {

using test::IsOk;
using testing::HasSubstr;

class StoreActionTest : public CacheTest {
 protected:
  // "" if it is stored, else "REASON path".
  std::string TryStore(Workspace* workspace) {
    const std::optional<NotStored> why =
        cache_->Store(workspace->key, workspace->finished);
    return why.has_value() ? absl::StrCat(NotStored::Reason_Name(why->reason()),
                                          " ", why->path())
                           : "";
  }
  // The action started before anything that was written here.
  static void StartedLongAgo(Workspace* workspace) {
    workspace->finished.started = absl::Now() - absl::Minutes(1);
    workspace->finished.started_file_clock_ns =
        absl::ToUnixNanos(workspace->finished.started);
  }
};

// The action starts after what was done to `path`, and before whatever is done
// from now on.
void StartsAfter(const std::string& path, Workspace* workspace) {
  struct stat st = {};
  ASSERT_EQ(::lstat(workspace->Path(path).c_str(), &st), 0);
  int64_t now_ns = 0;
  while ((now_ns = base::ReadFileClock().now_ns) <= base::ToNs(st.st_ctim)) {
  }
  workspace->finished.started = absl::FromUnixNanos(now_ns);
  workspace->finished.started_file_clock_ns = now_ns;
}

// What is read twice may be changed in between; and a store is half of what a
// cold run costs beside its tasks.
TEST_F(StoreActionTest, AnInputThatIsOlderThanTheActionIsLookedAtOnce) {
  Workspace app(Clone("app"));
  app.Write("a.ts", "one");
  app.Observes(Observation::CONTENT, "a.ts");
  app.Write("b.ts", "one");
  app.Observes(Observation::METADATA, "b.ts");
  app.Observes(Observation::EXISTENCE, "missing");
  app.finished.found["missing"] = Found::kMissing;
  app.Starts();
  base::Consulted consulted;
  {
    const base::ConsultedScope scope(&consulted);
    EXPECT_EQ(TryStore(&app), "");
  }
  for (const char* path : {"a.ts", "b.ts"}) {
    EXPECT_EQ(std::count_if(consulted.paths.begin(), consulted.paths.end(),
                            [&](const base::Consulted::Path& noted) {
                              return noted.path == app.Path(path);
                            }),
              1)
        << path;
  }
}

TEST_F(StoreActionTest, AnInputThatChangedMeanwhileIsNotStored) {
  for (const Observation::Kind kind :
       {Observation::CONTENT, Observation::METADATA, Observation::EXISTENCE}) {
    Workspace app(Clone("app"));
    StartedLongAgo(&app);
    app.Write("a.ts", "new");
    app.Observes(kind, "a.ts");
    EXPECT_EQ(TryStore(&app), "INPUT_CHANGED a.ts");
    app.finished.own_changes = {"a.ts"};
    EXPECT_EQ(TryStore(&app), "");
  }
}

// The new size is there before the new times.
TEST_F(StoreActionTest, AnInputThatIsBeingTruncatedIsNotStored) {
  const std::string large(32 << 20, 'x');
  for (const Observation::Kind kind :
       {Observation::CONTENT, Observation::METADATA}) {
    Workspace app(Clone("app"));
    app.Write("a.ts", large);
    app.Observes(kind, "a.ts");
    StartsAfter("a.ts", &app);
    const std::string path = app.Path("a.ts");
    std::thread somebody([&] { ::truncate(path.c_str(), 1000); });
    struct stat st = {};
    do {
      ::lstat(path.c_str(), &st);
    } while (st.st_size != 1000);
    EXPECT_EQ(TryStore(&app), "INPUT_CHANGED a.ts");
    somebody.join();
    EXPECT_FALSE(Hits(app));
  }
}

// Which one the action has executed, nobody knows then.
TEST_F(StoreActionTest, AProgramThatCameMeanwhileIsNotStored) {
  Workspace app(Clone("app"));
  Workspace tools(Clone("tools"));
  app.SetEnv({{"PATH", tools.Path("")}});
  app.Observes(Observation::PROGRAM, "node");
  StartedLongAgo(&app);
  EXPECT_EQ(TryStore(&app), "");  // none is none
  tools.Write("node", "v1");
  ASSERT_EQ(::chmod(tools.Path("node").c_str(), 0755), 0);
  EXPECT_EQ(TryStore(&app), "INPUT_CHANGED node");
}

TEST_F(StoreActionTest, AListingThatChangedMeanwhileIsNotStored) {
  Workspace app(Clone("app"));
  StartedLongAgo(&app);
  app.Write("src/a", "");
  app.Observes(Observation::LISTING, "src");
  EXPECT_EQ(TryStore(&app), "INPUT_CHANGED src");
  app.finished.own_changes = {"src/a"};
  EXPECT_EQ(TryStore(&app), "");
}

// What stands there now could not have been listed.
TEST_F(StoreActionTest, AListedDirectoryThatHasGoneIsNotStored) {
  Workspace app(Clone("app"));
  StartedLongAgo(&app);
  app.Observes(Observation::LISTING, "src");
  app.finished.found["src"] = Found::kThere;
  EXPECT_EQ(TryStore(&app), "INPUT_CHANGED src");
  app.Write("src", "");
  EXPECT_EQ(TryStore(&app), "INPUT_CHANGED src");
}

// The action made a file there, which moved the directory's time.
TEST_F(StoreActionTest, AForeignEntryBesideOwnOnesIsNotStored) {
  Workspace app(Clone("app"));
  StartedLongAgo(&app);
  app.Write("src/own", "");
  app.Write("src/other", "");
  app.Observes(Observation::LISTING, "src");
  app.finished.own_changes = {"src/own"};
  EXPECT_EQ(TryStore(&app), "INPUT_CHANGED src/other");
}

TEST_F(StoreActionTest, AForeignEntryThatWasRenamedHereIsNotStored) {
  Workspace app(Clone("app"));
  app.Write("old", "");
  const struct stat st = app.Stat("old");
  // Wait for the file clock to go on; it ticks every 10 ms at the slowest.
  while (base::ReadFileClock().now_ns <=
         st.st_ctim.tv_sec * 1'000'000'000 + st.st_ctim.tv_nsec + 10'000'000) {
  }
  app.finished.started = absl::Now();
  app.finished.started_file_clock_ns = base::ReadFileClock().now_ns;
  app.Write("src/own", "");
  ASSERT_EQ(::rename(app.Path("old").c_str(), app.Path("src/old").c_str()), 0);
  app.Observes(Observation::LISTING, "src");
  app.finished.own_changes = {"src/own"};
  EXPECT_EQ(TryStore(&app), "INPUT_CHANGED src/old");
}

TEST_F(StoreActionTest, AnOutputTooLargeForMemoryIsNotStored) {
  Workspace app(Clone("app"));
  app.Write("big", "");
  ASSERT_EQ(::truncate(app.Path("big").c_str(), off_t{1} << 40), 0);
  app.Starts();
  app.finished.outputs = {"big"};
  EXPECT_EQ(TryStore(&app), "DEVICE_OR_LIMIT big");
  EXPECT_EQ(cache_->health(), "");
}

TEST_F(StoreActionTest, ADirectoryThatOnlyGainedEntriesIsUnchanged) {
  Workspace app(Clone("app"));
  app.Write("src/a", "");
  app.Observes(Observation::METADATA, "src");
  app.Observes(Observation::EXISTENCE, "src");
  StartsAfter("src", &app);
  app.Write("src/b", "");
  EXPECT_EQ(TryStore(&app), "");
}

// race.py, seed 31016: what the action was told of was a link.
TEST_F(StoreActionTest, ADirectoryThatTookThePlaceOfAnInputIsNotStored) {
  for (const Observation::Kind kind :
       {Observation::LINK, Observation::METADATA, Observation::EXISTENCE,
        Observation::CONTENT}) {
    for (const bool is_moved : {false, true}) {
      Workspace app(Clone(absl::StrCat("app", kind, is_moved)));
      app.Write("old/a", "");
      std::filesystem::create_symlink("nowhere", app.Path("link"));
      app.Observes(kind, "link");
      app.finished.found["link"] = Found::kThere;
      StartsAfter("link", &app);
      std::filesystem::remove(app.Path("link"));
      if (is_moved) {
        std::filesystem::rename(app.Path("old"), app.Path("link"));
      } else {
        std::filesystem::create_directory(app.Path("link"));
      }
      EXPECT_EQ(TryStore(&app), "INPUT_CHANGED link")
          << Observation::Kind_Name(kind) << is_moved;
    }
  }
}

TEST_F(StoreActionTest, WhatLookupHadReadBeforeTheStartIsUnchanged) {
  Workspace app(Clone("app"));
  app.Observes(Observation::CONTENT, "a.ts");
  app.Write("a.ts", "one");
  Store(&app);
  // Saved in the very tick in which the action starts.
  app.Write("a.ts", "two");
  EXPECT_EQ(Reasons(app), "FILE CHANGED a.ts");
  app.finished.started = absl::Now();
  app.finished.started_file_clock_ns = 0;
  EXPECT_EQ(TryStore(&app), "");
}

TEST_F(StoreActionTest, WhatLookupReadMustStillBeThere) {
  Workspace app(Clone("app"));
  app.Observes(Observation::CONTENT, "a.ts");
  app.Write("a.ts", "one");
  Store(&app);
  app.Write("a.ts", "two");
  EXPECT_FALSE(Hits(app));
  app.finished.started = absl::Now();
  app.finished.started_file_clock_ns = 0;
  app.Write("a.ts", "owt");
  EXPECT_EQ(TryStore(&app), "INPUT_CHANGED a.ts");
}

TEST_F(StoreActionTest, WhatTheActionFoundMustStillBeSo) {
  Workspace app(Clone("app"));
  app.Starts();
  app.Observes(Observation::CONTENT, "a.ts");
  app.finished.found["a.ts"] = Found::kThere;
  EXPECT_EQ(TryStore(&app), "INPUT_CHANGED a.ts");
  app.finished.found["a.ts"] = Found::kMissing;
  EXPECT_EQ(TryStore(&app), "");
  app.Write("a.ts", "");
  app.Starts();
  EXPECT_EQ(TryStore(&app), "INPUT_CHANGED a.ts");
}

TEST_F(StoreActionTest, ExplicitInputsCountAsBeforeTheRun) {
  Workspace app(Clone("app"));
  app.Write("src/a", "old");
  Observation* globs = app.Observes(Observation::GLOB, "");
  globs->add_globs()->set_pattern("src/*");
  fingerprint::World world;
  world.root = app.key.root;
  world.files = &cache_->files();
  app.finished.known_values[KnownValueKey(*globs)] =
      fingerprint::Observe(*globs, world);
  app.Write("src/a", "new");
  app.Starts();
  EXPECT_EQ(TryStore(&app), "INPUT_CHANGED src/a");
  // The action did it itself: stored with the content before.
  app.finished.own_changes = {"src/a"};
  EXPECT_EQ(TryStore(&app), "");
  EXPECT_EQ(Reasons(app), "FILE CHANGED src/a");
}

// `tsc --incremental`: from the .tsbuildinfo of the last run it emits only what
// changed, so the result is no good for whoever has none.
TEST_F(StoreActionTest, WhatWasMadeOfALeftoverCountsForItAndForItsSuccessor) {
  Workspace app(Clone("app"));
  app.Write("in", "a");
  app.Observes(Observation::CONTENT, "in");
  app.Write("state", "state of a");
  app.Observes(Observation::CONTENT, "state")->set_rebuildable(true);
  app.finished.outputs = {"state"};
  Store(&app);  // from nothing

  app.Write("in", "b");
  const base::Digest before = fingerprint::Sha256("state of a");
  app.finished.path_set.mutable_observations(1)->set_rebuildable(false);
  Value& value = app.finished.known_values[{Observation::CONTENT, "state"}];
  value.set_type(Value::FILE);
  value.set_digest(std::string(before.AsBytes()));
  app.finished.leftovers = {"state"};
  app.Write("state", "state of b");
  Store(&app);
  EXPECT_TRUE(Hits(app));
  app.Write("state", "state of a");
  EXPECT_TRUE(Hits(app));
  app.Remove("state");
  EXPECT_EQ(Reasons(app), "FILE REMOVED state");

  // What was made from nothing is good for all, its own leftovers included.
  app.Write("in", "a");
  EXPECT_TRUE(Hits(app));
  app.Write("state", "state of b");
  EXPECT_TRUE(Hits(app));
  app.Write("state", "by hand");
  EXPECT_FALSE(Hits(app));
}

// race.py, seed 31034: it was being truncated, with its old times still.
TEST_F(StoreActionTest, AnOutputThatSomebodyCanWriteIsNotStored) {
  Workspace app(Clone("app"));
  app.Write("out.js", "made");
  app.finished.outputs = {"out.js"};
  const base::UniqueFd writer(
      ::open(app.Path("out.js").c_str(), O_WRONLY | O_CLOEXEC));
  ASSERT_TRUE(writer.is_valid());
  EXPECT_EQ(TryStore(&app), "OUTPUT_CHANGED out.js");
}

TEST_F(StoreActionTest, AnOutputThatIsYoungerThanTheEndIsNotStored) {
  Workspace app(Clone("app"));
  app.Starts();
  app.Write("out", "mine");
  std::filesystem::create_symlink("x", app.Path("link"));
  std::filesystem::create_directory(app.Path("dist"));
  app.finished.outputs = {"out", "link", "dist"};
  app.finished.ended_file_clock_ns = base::ReadFileClock().past_ns;
  EXPECT_EQ(TryStore(&app), "");
  app.Write("dist/theirs", "");
  EXPECT_EQ(TryStore(&app), "");
  app.Write("out", "theirs");
  EXPECT_EQ(TryStore(&app), "OUTPUT_CHANGED out");
}

TEST_F(StoreActionTest, AMissingOutputIsNotStored) {
  Workspace app(Clone("app"));
  app.Starts();
  app.finished.outputs = {"dist/gone"};
  EXPECT_EQ(TryStore(&app), "OUTPUT_CHANGED dist/gone");
  EXPECT_EQ(cache_->health(), "");
  app.finished.outputs = {"../outside"};
  EXPECT_EQ(TryStore(&app), "STORE_FAILED ../outside");
}

TEST_F(StoreActionTest, ASocketIsLeftOut) {
  Workspace app(Clone("app"));
  app.Starts();
  ASSERT_EQ(::mkfifo(app.Path("pipe").c_str(), 0600), 0);
  app.Write("out", "1");
  app.finished.outputs = {"pipe", "out", ""};
  EXPECT_EQ(TryStore(&app), "");
  const LookupResult result = cache_->Lookup(app.key);
  ASSERT_TRUE(result.hit.has_value());
  EXPECT_EQ(result.hit->result->outputs_size(), 1);
}

TEST_F(StoreActionTest, AnUnchangedTreeIsHashedOnce) {
  Workspace app(Clone("app"));
  for (int i = 0; i < 5; ++i) {
    app.Write(absl::StrCat("src/", i), absl::StrCat(i));
    app.Observes(Observation::CONTENT, absl::StrCat("src/", i));
    // Older than the clock's granularity, by the clock.
    struct timespec times[2] = {{1, 1}, {1, 1}};
    ::utimensat(AT_FDCWD, app.Path(absl::StrCat("src/", i)).c_str(), times, 0);
  }
  // ctime cannot be set: let the floor of the file clock move past the
  // granularity.
  const int64_t written = base::ReadFileClock().now_ns;
  timespec floor = {};
  do {
    ::clock_gettime(CLOCK_REALTIME_COARSE, &floor);
  } while (floor.tv_sec * 1'000'000'000 + floor.tv_nsec < written + 11'000'000);
  Store(&app);
  const uint64_t reads = cache_->files().reads();
  EXPECT_TRUE(Hits(app));
  EXPECT_EQ(cache_->files().reads(), reads);
  Reopen();
  EXPECT_TRUE(Hits(app));
  EXPECT_EQ(cache_->files().reads(), 0U);
}

class FaultyStoreTest : public StoreActionTest {
 protected:
  FaultyStoreTest() {
    cache_.reset();
    auto real = store::Database::Open(Directory() + "/db");
    EXPECT_THAT(real, IsOk());
    auto cache =
        ActionCache::OpenWith(Directory(),
                              std::make_unique<test::FaultInjectingDatabase>(
                                  *std::move(real), &faults_),
                              [this] { return now_; });
    EXPECT_THAT(cache, IsOk());
    cache_ = *std::move(cache);
  }
  ~FaultyStoreTest() override { cache_.reset(); }

  test::Faults faults_;
  absl::Time now_ = absl::FromUnixSeconds(1'000'000);
};

TEST_F(FaultyStoreTest, AFailedWriteLeavesTheOldState) {
  Workspace app(Clone("app"));
  app.Observes(Observation::CONTENT, "a.ts");
  app.finished.outputs = {"out"};
  app.Write("a.ts", "one");
  app.Write("out", "1");
  Store(&app);

  app.Write("a.ts", "two");
  app.Write("out", "2");
  app.Starts();
  faults_.write = absl::ResourceExhaustedError("no space left on device");
  EXPECT_EQ(TryStore(&app), "STORE_FAILED ");
  EXPECT_THAT(cache_->health(), HasSubstr("free space"));
  EXPECT_FALSE(Hits(app));
  app.Write("a.ts", "one");
  EXPECT_THAT(Restore(app), IsOk());
  EXPECT_EQ(app.Read("out"), "1");
}

TEST_F(FaultyStoreTest, AfterAFailureItTriesAgainAfterAWhile) {
  Workspace app(Clone("app"));
  app.Starts();
  faults_.write = absl::InternalError("input/output error");
  EXPECT_EQ(TryStore(&app), "STORE_FAILED ");
  const int writes = faults_.writes;
  EXPECT_EQ(TryStore(&app), "STORE_FAILED ");
  EXPECT_EQ(faults_.writes, writes);

  faults_.write = absl::OkStatus();
  now_ += absl::Seconds(6);
  EXPECT_EQ(TryStore(&app), "");
  EXPECT_EQ(cache_->health(), "");
  EXPECT_TRUE(Hits(app));
}

TEST_F(FaultyStoreTest, AHitIsNotWrittenDownEachTime) {
  Workspace app(Clone("app"));
  Store(&app);
  const int writes = faults_.writes;
  EXPECT_TRUE(Hits(app));
  EXPECT_TRUE(Hits(app));
  EXPECT_EQ(faults_.writes, writes);
  now_ += absl::Hours(2);
  EXPECT_TRUE(Hits(app));
  EXPECT_EQ(faults_.writes, writes);
  cache_->SaveHits();
  EXPECT_EQ(faults_.writes, writes + 1);
  cache_->SaveHits();
  EXPECT_EQ(faults_.writes, writes + 1) << "nothing is new";
}

}  // namespace
}  // namespace vt::cache
