// SPDX-License-Identifier: Apache-2.0

#include "daemon/cache/sweep.h"

#include <filesystem>
#include <random>
#include <thread>

#include "tests/unit/cache/cache_fixture.h"
#include "tests/unit/cache/fault_injecting_database.h"

namespace vt::cache {
namespace {

using test::IsOk;
using test::StatusIs;
using testing::_;

// One that is not compressed, so that sizes are plain.
std::string Noise(size_t size, unsigned seed) {
  std::mt19937 random(seed);
  std::string out(size, '\0');
  for (char& c : out) {
    c = static_cast<char>(random());
  }
  return out;
}

class SweepTest : public CacheTest {
 protected:
  SweepTest() : app_(Clone("app")) {
    app_.Observes(Observation::CONTENT, "in");
    app_.finished.outputs = {"out"};
    OpenFaulty();
  }
  ~SweepTest() override { cache_.reset(); }

  void OpenFaulty() {
    cache_.reset();
    auto real = store::Database::Open(Directory() + "/db");
    ASSERT_THAT(real, IsOk());
    auto cache =
        ActionCache::OpenWith(Directory(),
                              std::make_unique<test::FaultInjectingDatabase>(
                                  *std::move(real), &faults_),
                              [this] { return now_; });
    ASSERT_THAT(cache, IsOk());
    cache_ = *std::move(cache);
  }

  // The result for input `i`, whose output has about `kSize` bytes.
  static constexpr size_t kSize = 10'000;
  void StoreNumber(int i) {
    SetNumber(i);
    app_.Write("out", Noise(kSize, static_cast<unsigned>(i)));
    Store(&app_);
  }
  void SetNumber(int i) { app_.Write("in", absl::StrCat("input ", i)); }
  bool HasNumber(int i) {
    SetNumber(i);
    return cache_->Peek(app_.key).hit.has_value();
  }
  std::string Numbers(int count) {
    std::string out;
    for (int i = 0; i < count; ++i) {
      out += HasNumber(i) ? absl::StrCat(i) : "";
    }
    return out;
  }
  SweepReport Sweep(uint64_t max_bytes, absl::Duration max_age,
                    Pace pace = nullptr) {
    SweepRequest request;
    request.limits = {max_bytes, max_age};
    request.pace = std::move(pace);
    absl::StatusOr<SweepReport> report = cache_->Sweep(request);
    EXPECT_THAT(report, IsOk());
    return report.ok() ? *report : SweepReport();
  }
  CacheSize Size() {
    const absl::StatusOr<CacheSize> size =
        cache_->Measure(app_.key.root, nullptr);
    EXPECT_THAT(size, IsOk());
    return size.ok() ? *size : CacheSize();
  }
  std::vector<std::filesystem::path> BlobFiles() const {
    std::vector<std::filesystem::path> files;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(
             Directory() + "/blobs")) {
      if (entry.is_regular_file()) {
        files.push_back(entry.path());
      }
    }
    return files;
  }

  test::Faults faults_;
  absl::Time now_ = absl::FromUnixSeconds(1'000'000'000);
  Workspace app_;
};

TEST_F(SweepTest, WithinItsLimitsItRemovesNothing) {
  for (int i = 0; i < 4; ++i) {
    StoreNumber(i);
  }
  const SweepReport report = Sweep(1 << 20, absl::Hours(1));
  EXPECT_EQ(report.results, 4U);
  EXPECT_EQ(report.results_removed, 0U);
  EXPECT_EQ(report.blobs_removed, 0U);
  EXPECT_EQ(report.records_removed, 0U);
  EXPECT_EQ(Numbers(4), "0123");
}

TEST_F(SweepTest, TheLeastRecentlyHitGoesFirst) {
  for (int i = 0; i < 6; ++i) {
    StoreNumber(i);
    now_ += absl::Minutes(1);
  }
  // Found again: now the most recent.
  SetNumber(1);
  EXPECT_TRUE(Hits(app_));
  const SweepReport report = Sweep(3 * (kSize + 1000), absl::Hours(1000));
  EXPECT_EQ(report.results_removed, 3U);
  EXPECT_EQ(report.blobs_removed, 3U);
  EXPECT_EQ(Numbers(6), "145");
  EXPECT_LE(Size().bytes(), 3 * (kSize + 1000));
  EXPECT_EQ(Size().bytes(), report.bytes);
}

TEST_F(SweepTest, WhatIsTooOldGoesAndAHitKeepsYoung) {
  StoreNumber(0);
  StoreNumber(1);
  now_ += absl::Hours(20);
  SetNumber(0);
  EXPECT_TRUE(Hits(app_));
  now_ += absl::Hours(20);
  Sweep(Limits::kUnlimited, absl::Hours(30));
  EXPECT_EQ(Numbers(2), "0");
}

TEST_F(SweepTest, AHitIsRememberedOverARestart) {
  StoreNumber(0);
  StoreNumber(1);
  now_ += absl::Hours(20);
  SetNumber(0);
  EXPECT_TRUE(Hits(app_));
  OpenFaulty();
  now_ += absl::Hours(20);
  Sweep(Limits::kUnlimited, absl::Hours(30));
  EXPECT_EQ(Numbers(2), "0");
}

TEST_F(SweepTest, AUseThatNobodyLookedUpCountsAsAHit) {
  StoreNumber(0);
  StoreNumber(1);
  SetNumber(0);
  const LookupResult found = cache_->Lookup(app_.key);
  ASSERT_TRUE(found.hit.has_value());
  now_ += absl::Hours(20);
  cache_->NoteUse(cache_->UseOf(app_.key.root, app_.key.position, *found.hit));
  now_ += absl::Hours(20);
  Sweep(Limits::kUnlimited, absl::Hours(30));
  EXPECT_EQ(Numbers(2), "0");
}

// What is known of an older generation is not relied on.
TEST_F(SweepTest, WhateverTakesResultsAwayMakesANewGeneration) {
  StoreNumber(0);
  uint64_t before = cache_->generation();
  StoreNumber(1);
  EXPECT_TRUE(HasNumber(0));
  EXPECT_EQ(cache_->generation(), before);
  StoreNumber(1);  // in the place of an equal one
  EXPECT_NE(cache_->generation(), before);
  before = cache_->generation();
  Sweep(Limits::kUnlimited, absl::Hours(1));  // which takes none away
  EXPECT_EQ(cache_->generation(), before);
  Sweep(1, absl::Hours(1));
  EXPECT_NE(cache_->generation(), before);
  before = cache_->generation();
  EXPECT_THAT(cache_->Verify(nullptr), IsOk());
  EXPECT_NE(cache_->generation(), before);
  before = cache_->generation();
  EXPECT_THAT(cache_->Clean(), IsOk());
  EXPECT_NE(cache_->generation(), before);
}

TEST_F(SweepTest, APeekIsNoUse) {
  StoreNumber(0);
  now_ += absl::Hours(20);
  EXPECT_TRUE(HasNumber(0));
  now_ += absl::Hours(20);
  Sweep(Limits::kUnlimited, absl::Hours(30));
  EXPECT_EQ(Numbers(1), "");
}

TEST_F(SweepTest, ABlobThatALiveResultNamesStays) {
  StoreNumber(0);
  now_ += absl::Hours(40);
  // Another result with the same output.
  SetNumber(1);
  Store(&app_);
  Sweep(Limits::kUnlimited, absl::Hours(30));
  EXPECT_EQ(Numbers(2), "1");
  app_.Remove("out");
  SetNumber(1);
  EXPECT_THAT(Restore(app_), IsOk());
  EXPECT_EQ(app_.Read("out"), Noise(kSize, 0));
}

TEST_F(SweepTest, NothingIsLeftOfWhatGoes) {
  StoreNumber(0);
  now_ += absl::Hours(40);
  Sweep(Limits::kUnlimited, absl::Hours(30));
  const CacheSize size = Size();
  EXPECT_EQ(size.results, 0U);
  EXPECT_EQ(size.path_sets, 0U);
  EXPECT_EQ(size.blobs, 0U);
  EXPECT_EQ(size.bytes(), 0U);
  cache_.reset();
  auto database = store::Database::Open(Directory() + "/db");
  ASSERT_THAT(database, IsOk());
  for (const store::Table table :
       {store::Table::kWeak, store::Table::kPathSets, store::Table::kResults,
        store::Table::kOwnOutputs, store::Table::kPositions,
        store::Table::kUsage}) {
    int records = 0;
    EXPECT_THAT((*database)->Scan(table, "",
                                  [&](absl::string_view, absl::string_view) {
                                    ++records;
                                    return true;
                                  }),
                IsOk());
    EXPECT_EQ(records, 0) << static_cast<int>(table);
  }
}

TEST_F(SweepTest, OrphansAndForgottenDraftsGo) {
  StoreNumber(0);
  const std::string orphan = Directory() + "/blobs/ab/" + std::string(62, '0');
  std::filesystem::create_directories(Directory() + "/blobs/ab");
  std::ofstream(orphan) << "x";
  const std::string draft = Directory() + "/tmp/1.1";
  std::ofstream(draft) << "half";
  now_ = absl::Now();
  Sweep(Limits::kUnlimited, absl::InfiniteDuration());
  EXPECT_FALSE(std::filesystem::exists(orphan));
  EXPECT_TRUE(std::filesystem::exists(draft)) << "a store may be writing it";
  now_ += absl::Hours(2);
  Sweep(Limits::kUnlimited, absl::InfiniteDuration());
  EXPECT_FALSE(std::filesystem::exists(draft));
  EXPECT_EQ(Numbers(1), "0");
}

TEST_F(SweepTest, AHitThatIsBeingRestoredStays) {
  StoreNumber(0);
  now_ += absl::Hours(40);
  LookupResult found = cache_->Peek(app_.key);
  ASSERT_TRUE(found.hit.has_value());
  EXPECT_EQ(Sweep(0, absl::ZeroDuration()).results, 1U);
  app_.Remove("out");
  EXPECT_THAT(cache_->Restore(app_.key, *found.hit, &notes_), IsOk());
  EXPECT_EQ(app_.Read("out"), Noise(kSize, 0));
  EXPECT_EQ(Numbers(1), "0");
  found.hit.reset();
  EXPECT_EQ(Sweep(0, absl::ZeroDuration()).results, 0U);
  EXPECT_THAT(BlobFiles(), testing::IsEmpty());
}

// The sweep has chosen its victims when the hit is found.
TEST_F(SweepTest, AHitThatIsFoundDuringTheSweepStays) {
  StoreNumber(0);
  now_ += absl::Hours(40);
  std::optional<Hit> hit;
  Sweep(0, absl::ZeroDuration(), [&](const Progress& progress) {
    if (!hit.has_value() &&
        absl::string_view(progress.what) == "removing results") {
      hit = cache_->Peek(app_.key).hit;
    }
    return true;
  });
  ASSERT_TRUE(hit.has_value());
  app_.Remove("out");
  EXPECT_THAT(cache_->Restore(app_.key, *hit, &notes_), IsOk());
  EXPECT_EQ(Numbers(1), "0");
}

// At every point of a sweep that removes everything, a store of what it
// removes.
TEST_F(SweepTest, WhatIsStoredDuringTheSweepStays) {
  for (int at = 0; at < 12; ++at) {
    StoreNumber(0);
    now_ += absl::Hours(40);
    int calls = 0;
    Sweep(0, absl::ZeroDuration(), [&](const Progress&) {
      if (calls++ == at) {
        StoreNumber(0);
      }
      return true;
    });
    if (calls <= at) {
      EXPECT_GE(at, 8);
      break;
    }
    EXPECT_EQ(Numbers(1), "0") << at;
    app_.Remove("out");
    SetNumber(0);
    EXPECT_THAT(Restore(app_), IsOk()) << at;
    EXPECT_EQ(app_.Read("out"), Noise(kSize, 0)) << at;
  }
}

TEST_F(SweepTest, StoresLookupsAndSweepsAtOnceNeverLoseAHit) {
  std::atomic<bool> stop = false;
  std::thread sweeper([&] {
    while (!stop) {
      SweepRequest request;
      request.limits = {25'000, absl::InfiniteDuration()};
      EXPECT_THAT(cache_->Sweep(request), IsOk());
    }
  });
  for (int round = 0; round < 60; ++round) {
    const int i = round % 5;
    SetNumber(i);
    LookupResult found = cache_->Lookup(app_.key);
    if (found.hit.has_value()) {
      app_.Remove("out");
      EXPECT_THAT(cache_->Restore(app_.key, *found.hit, &notes_), IsOk());
      EXPECT_EQ(app_.Read("out"), Noise(kSize, static_cast<unsigned>(i)));
    } else {
      StoreNumber(i);
    }
  }
  stop = true;
  sweeper.join();
}

TEST_F(SweepTest, ASweepThatEndsAnywhereLosesNoLiveResult) {
  for (int at = 0; at < 40; ++at) {
    for (int i = 0; i < 4; ++i) {
      StoreNumber(i);
      now_ += absl::Minutes(1);
    }
    SweepRequest request;
    request.limits = {2 * (kSize + 1000), absl::InfiniteDuration()};
    int calls = 0;
    request.pace = [&](const Progress&) { return calls++ < at; };
    const bool done = cache_->Sweep(request).ok();
    OpenFaulty();  // as a new daemon finds it
    for (int i = 0; i < 4; ++i) {
      SetNumber(i);
      const std::optional<Hit> hit = cache_->Peek(app_.key).hit;
      ASSERT_TRUE(hit.has_value() || i < 2) << i << " after " << at;
      if (hit.has_value()) {
        app_.Remove("out");
        EXPECT_THAT(cache_->Restore(app_.key, *hit, &notes_), IsOk())
            << i << " after " << at;
      }
    }
    // The next sweep finishes what this one began.
    Sweep(2 * (kSize + 1000), absl::InfiniteDuration());
    EXPECT_EQ(Numbers(4), "23");
    EXPECT_EQ(BlobFiles().size(), 2U);
    if (done) {
      return;
    }
  }
  FAIL() << "it never ended";
}

TEST_F(SweepTest, AFailedWriteStopsItAndLosesNothing) {
  for (int i = 0; i < 4; ++i) {
    StoreNumber(i);
  }
  faults_.write = absl::InternalError("input/output error");
  SweepRequest request;
  request.limits = {0, absl::ZeroDuration()};
  EXPECT_FALSE(cache_->Sweep(request).ok());
  faults_.write = absl::OkStatus();
  EXPECT_EQ(Numbers(4), "0123");
  EXPECT_EQ(BlobFiles().size(), 4U) << "records go before blobs";
}

TEST_F(SweepTest, ClosingTheCacheEndsASweep) {
  StoreNumber(0);
  SweepRequest request;
  request.limits = {0, absl::ZeroDuration()};
  std::thread closer;
  int calls = 0;
  request.pace = [&](const Progress&) {
    if (calls++ == 0) {
      closer = std::thread([&] { cache_->Close(); });
    }
    std::this_thread::yield();
    return calls < 10'000'000;
  };
  while (cache_->Sweep(request).ok()) {
    // The closer has not come to it yet.
  }
  closer.join();
}

TEST_F(SweepTest, ASweepIsNeededWhenItIsOverTheLimitOrADayHasPassed) {
  const Limits limits = {3 * kSize, absl::Hours(1000)};
  EXPECT_FALSE(cache_->NeedsSweep(limits)) << "nothing is stored";
  StoreNumber(0);
  EXPECT_TRUE(cache_->NeedsSweep(limits)) << "never measured";
  Sweep(limits.max_bytes, limits.max_age);
  EXPECT_FALSE(cache_->NeedsSweep(limits));
  StoreNumber(1);
  EXPECT_FALSE(cache_->NeedsSweep(limits));
  StoreNumber(2);
  OpenFaulty();
  EXPECT_TRUE(cache_->NeedsSweep(limits));
  Sweep(limits.max_bytes, limits.max_age);
  EXPECT_FALSE(cache_->NeedsSweep(limits));
  now_ += absl::Hours(25);
  EXPECT_TRUE(cache_->NeedsSweep(limits));
}

TEST_F(SweepTest, CleaningOneTaskLeavesTheOthers) {
  const auto position = [](absl::string_view package, absl::string_view task) {
    return absl::StrCat(package, absl::string_view("\0", 1), task,
                        absl::string_view("\0000\0000", 4));
  };
  const auto of = [&](int i, const char* package, const char* task) {
    app_.key.position = position(package, task);
    app_.key.description.set_cwd(absl::StrCat(package, task));
    StoreNumber(i);
  };
  const auto hits = [&](const char* package, const char* task, int i) {
    app_.key.description.set_cwd(absl::StrCat(package, task));
    return HasNumber(i);
  };
  of(0, "packages/a", "build");
  of(1, "packages/a", "test");
  of(2, "", "build");
  SweepRequest request;
  request.clean = CleanFilter{app_.key.root, "packages/a", "build"};
  EXPECT_EQ(cache_->Sweep(request)->results_removed, 1U);
  EXPECT_FALSE(hits("packages/a", "build", 0));
  EXPECT_TRUE(hits("packages/a", "test", 1));
  EXPECT_TRUE(hits("", "build", 2));

  request.clean = CleanFilter{Clone("other").string(), {}, {}};
  EXPECT_EQ(cache_->Sweep(request)->results_removed, 0U);
  request.clean = CleanFilter{app_.key.root, "", {}};
  EXPECT_EQ(cache_->Sweep(request)->results_removed, 1U);
  request.clean = CleanFilter{app_.key.root, {}, {}};
  EXPECT_EQ(cache_->Sweep(request)->results, 0U);
}

// What another clone made of the same action would hit here, too.
TEST_F(SweepTest, CleaningAWorkspaceTakesWhatItsTasksCouldFind) {
  StoreNumber(0);
  Workspace other(Clone("other"));
  other.finished = app_.finished;
  other.Write("in", "input 1");
  other.Write("out", Noise(kSize, 1));
  Store(&other);
  EXPECT_TRUE(HasNumber(1));
  SweepRequest request;
  request.clean = CleanFilter{app_.key.root, {}, {}};
  EXPECT_EQ(cache_->Sweep(request)->results, 0U);
  EXPECT_EQ(Numbers(2), "");
}

TEST_F(SweepTest, CleanEmptiesTheWholeCache) {
  StoreNumber(0);
  EXPECT_THAT(cache_->Clean(), IsOk());
  EXPECT_EQ(Numbers(1), "");
  EXPECT_THAT(BlobFiles(), testing::IsEmpty());
  StoreNumber(0);
  EXPECT_EQ(Numbers(1), "0");
  EXPECT_EQ(Size().results_of_root, 1U);
}

}  // namespace
}  // namespace vt::cache
