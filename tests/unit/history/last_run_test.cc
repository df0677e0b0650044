// SPDX-License-Identifier: Apache-2.0

#include "daemon/history/last_run.h"

#include <filesystem>
#include <fstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/status_matchers.h"
#include "tests/support/temp_dir.h"

namespace vt::history {
namespace {

using testing::_;
using vt::test::IsOk;
using vt::test::StatusIs;

vtask::v1::RunRecord Record(const std::string& root, int exit_code) {
  vtask::v1::RunRecord record;
  record.set_workspace_root(root);
  record.add_events()->mutable_run_finished()->set_exit_code(exit_code);
  return record;
}

TEST(LastRunTest, EachWorkspaceKeepsItsOwnLastRun) {
  const test::TempDir dir;
  const std::string place = (dir.path() / "runs").string();
  ASSERT_THAT(SaveLastRun(place, Record("/a", 1)), IsOk());
  ASSERT_THAT(SaveLastRun(place, Record("/b", 2)), IsOk());
  ASSERT_THAT(SaveLastRun(place, Record("/a", 3)), IsOk());
  const auto a = LoadLastRun(place, "/a");
  ASSERT_THAT(a, IsOk());
  EXPECT_EQ(a->events(0).run_finished().exit_code(), 3);
  EXPECT_THAT(LoadLastRun(place, "/c"),
              StatusIs(absl::StatusCode::kNotFound, _));
}

TEST(LastRunTest, DamagedRecordIsRefusedNotMisread) {
  const test::TempDir dir;
  const std::string place = dir.path().string();
  ASSERT_THAT(SaveLastRun(place, Record("/a", 1)), IsOk());
  for (const auto& file : std::filesystem::directory_iterator(place)) {
    std::ofstream(file.path()) << "\xff\xff";
  }
  EXPECT_THAT(LoadLastRun(place, "/a"),
              StatusIs(absl::StatusCode::kFailedPrecondition, _));
}

}  // namespace
}  // namespace vt::history
