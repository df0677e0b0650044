// SPDX-License-Identifier: Apache-2.0

#include "daemon/run/run_log.h"

#include <memory>
#include <string>
#include <utility>

#include <gtest/gtest.h>

#include "daemon/base/mutex.h"
#include "daemon/history/runs.h"
#include "tests/support/temp_dir.h"

namespace vt::run {
namespace {

using vtask::v1::RunRecord;

class RunLogTest : public testing::Test {
 protected:
  RunLogTest()
      : loop_(*loop::EventLoop::Start()),
        log_(std::make_unique<RunLog>(loop_.get(), Directory())) {}

  std::string Directory() const { return (dir_.path() / "runs").string(); }
  static RunRecord Record() {
    RunRecord record;
    record.set_workspace_root("/w");
    record.add_events()->mutable_run_finished()->set_hits(1);
    return record;
  }

  test::TempDir dir_;
  std::unique_ptr<loop::EventLoop> loop_;
  std::unique_ptr<RunLog> log_;
};

TEST_F(RunLogTest, WhoeverReadsFindsAllThatWasGivenBefore) {
  base::Mutex mutex;
  base::CondVar changed;
  bool reads = false;
  bool waited = true;
  log_->Keep([&] {
    const base::MutexLock lock(&mutex);
    if (!reads) {
      // Time for one who does not wait to go on.
      changed.WaitFor(&mutex, 50);
    }
    waited = !reads;
    return Record();
  });
  log_->Keep(&Record);
  const std::string directory = log_->Settled();
  {
    const base::MutexLock lock(&mutex);
    reads = true;
    changed.SignalAll();
  }
  EXPECT_EQ(directory, Directory());
  EXPECT_EQ(history::ListRuns(directory, "/w").size(), 2U);
  log_ = nullptr;
  EXPECT_TRUE(waited);
}

TEST_F(RunLogTest, ItsEndWritesWhatHasBeenGiven) {
  for (int i = 0; i < 20; ++i) {
    log_->Keep(&Record);
  }
  log_ = nullptr;
  EXPECT_EQ(history::CountHits(Directory()).runs, 20);
}

}  // namespace
}  // namespace vt::run
