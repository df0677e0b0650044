// SPDX-License-Identifier: Apache-2.0

#include "daemon/history/runs.h"

#include <atomic>
#include <filesystem>
#include <fstream>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"

#include "tests/support/status_matchers.h"
#include "tests/support/temp_dir.h"

namespace vt::history {
namespace {

using testing::_;
using testing::HasSubstr;
using vt::test::IsOk;
using vt::test::IsOkAndHolds;
using vt::test::StatusIs;

vtask::v1::RunRecord Record(const std::string& root, int exit_code) {
  vtask::v1::RunRecord record;
  record.set_workspace_root(root);
  auto* finished = record.add_events()->mutable_run_finished();
  finished->set_exit_code(exit_code);
  finished->set_hits(2);
  finished->set_cached_actions(3);
  return record;
}

class RunsTest : public testing::Test {
 protected:
  int ExitCodeOf(const std::string& root, uint64_t id) const {
    const auto record = LoadRun(place_, root, id);
    EXPECT_THAT(record, IsOk());
    return record.ok() ? record->events(0).run_finished().exit_code() : -1;
  }

  const test::TempDir dir_;
  const std::string place_ = (dir_.path() / "runs").string();
};

TEST_F(RunsTest, EachWorkspaceCountsItsOwnRuns) {
  EXPECT_THAT(SaveRun(place_, Record("/a", 1)), IsOkAndHolds(1U));
  EXPECT_THAT(SaveRun(place_, Record("/b", 2)), IsOkAndHolds(1U));
  EXPECT_THAT(SaveRun(place_, Record("/a", 3)), IsOkAndHolds(2U));
  EXPECT_EQ(ExitCodeOf("/a", 1), 1);
  EXPECT_EQ(ExitCodeOf("/a", 2), 3);
  const auto last = LoadLastRun(place_, "/a");
  ASSERT_THAT(last, IsOk());
  EXPECT_EQ(last->id(), 2U);
  EXPECT_EQ(last->events(0).run_finished().exit_code(), 3);
  EXPECT_THAT(LoadLastRun(place_, "/c"),
              StatusIs(absl::StatusCode::kNotFound, _));
  EXPECT_THAT(LoadRun(place_, "/a", 7),
              StatusIs(absl::StatusCode::kNotFound, HasSubstr("1 to 2")));
}

TEST_F(RunsTest, OldRunsAreDroppedAndNumbersGoOn) {
  for (size_t i = 0; i < kMaxRuns + 5; ++i) {
    ASSERT_THAT(SaveRun(place_, Record("/a", static_cast<int>(i))), IsOk());
  }
  const auto runs = ListRuns(place_, "/a");
  ASSERT_EQ(runs.size(), kMaxRuns);
  EXPECT_EQ(runs.front().id(), kMaxRuns + 5);
  EXPECT_EQ(runs.back().id(), 6U);
}

TEST_F(RunsTest, ManyBytesAreDroppedSoonerThanManyRuns) {
  vtask::v1::RunRecord large = Record("/a", 0);
  large.add_descriptions(std::string(kMaxBytes / 3, 'x'));
  for (int i = 0; i < 5; ++i) {
    ASSERT_THAT(SaveRun(place_, large), IsOk());
  }
  EXPECT_EQ(ListRuns(place_, "/a").size(), 2U);
}

TEST_F(RunsTest, DamagedRecordIsRefusedNotMisread) {
  ASSERT_THAT(SaveRun(place_, Record("/a", 1)), IsOk());
  for (const auto& file :
       std::filesystem::recursive_directory_iterator(place_)) {
    if (file.is_regular_file()) {
      std::ofstream(file.path()) << "\xff\xff";
    }
  }
  EXPECT_THAT(LoadLastRun(place_, "/a"),
              StatusIs(absl::StatusCode::kFailedPrecondition, _));
  EXPECT_EQ(ListRuns(place_, "/a").size(), 0U);
  EXPECT_THAT(SaveRun(place_, Record("/a", 1)), IsOkAndHolds(2U));
}

TEST_F(RunsTest, HitsOfAllWorkspacesAreCounted) {
  ASSERT_THAT(SaveRun(place_, Record("/a", 1)), IsOk());
  ASSERT_THAT(SaveRun(place_, Record("/b", 1)), IsOk());
  const HitRate rate = CountHits(place_);
  EXPECT_EQ(rate.runs, 2U);
  EXPECT_EQ(rate.hits, 4U);
  EXPECT_EQ(rate.lookups, 6U);
}

// The first run of a workspace was lost when its folder, still empty, was
// taken for one that pruning had emptied.
TEST_F(RunsTest, PruningMeanwhileLosesNothing) {
  std::atomic<bool> done = false;
  std::thread pruner([&] {
    while (!done) {
      PruneRuns(place_, absl::InfinitePast());
    }
  });
  for (int i = 0; i < 2000; ++i) {
    EXPECT_THAT(SaveRun(place_, Record(absl::StrCat("/", i), i)),
                IsOkAndHolds(1U));
    ForgetRuns(place_, absl::StrCat("/", i));
  }
  done = true;
  pruner.join();
}

TEST_F(RunsTest, PruningAndForgetting) {
  ASSERT_THAT(SaveRun(place_, Record("/a", 1)), IsOk());
  ASSERT_THAT(SaveRun(place_, Record("/b", 1)), IsOk());
  PruneRuns(place_, absl::InfinitePast());
  EXPECT_EQ(CountHits(place_).runs, 2U);
  ForgetRuns(place_, "/a");
  EXPECT_EQ(ListRuns(place_, "/a").size(), 0U);
  EXPECT_EQ(ListRuns(place_, "/b").size(), 1U);
  PruneRuns(place_, absl::InfiniteFuture());
  EXPECT_EQ(CountHits(place_).runs, 0U);
  EXPECT_TRUE(std::filesystem::is_empty(place_));
}

}  // namespace
}  // namespace vt::history
