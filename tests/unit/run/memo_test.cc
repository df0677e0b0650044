// SPDX-License-Identifier: Apache-2.0

#include "daemon/run/memo.h"

#include <gtest/gtest.h>

namespace vt::run {
namespace {

using vtask::v1::RunEvent;
using vtask::v1::RunRecord;

// A record of run 3 of process 30 at second 1000: three events, 20 ms apart.
KnownRun KnownOf() {
  RunRecord record;
  record.set_workspace_root("/w");
  for (int i = 0; i < 3; ++i) {
    RunEvent* event = record.add_events();
    event->set_run_id(3);
    event->set_sequence(static_cast<uint64_t>(i + 1));
    event->set_time_unix_us(1'000'000'000 + i * 20'000);
  }
  record.mutable_events(0)->mutable_run_started()->set_pid(30);
  record.mutable_events(1)->mutable_action_finished()->set_exit_code(0);
  record.mutable_events(2)->mutable_run_finished()->set_hits(1);
  KnownRun run;
  run.root = "/w";
  run.record = record.SerializeAsString();
  return run;
}

TEST(RecordAgainTest, ItIsTheRecordOfThisRunThatEndsNow) {
  const RunRecord again =
      RecordAgain(KnownOf(), /*id=*/7, /*pid=*/70, absl::FromUnixSeconds(5000));
  EXPECT_EQ(again.workspace_root(), "/w");
  ASSERT_EQ(again.events_size(), 3);
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(again.events(i).run_id(), 7U);
    EXPECT_EQ(again.events(i).sequence(), static_cast<uint64_t>(i + 1));
    EXPECT_EQ(again.events(i).time_unix_us(), 5'000'000'000 - (2 - i) * 20'000);
  }
  EXPECT_EQ(again.events(0).run_started().pid(), 70U);
  EXPECT_EQ(again.events(2).run_finished().hits(), 1);
}

}  // namespace
}  // namespace vt::run
