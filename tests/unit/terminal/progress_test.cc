// SPDX-License-Identifier: Apache-2.0

#include "daemon/terminal/progress.h"

#include <string>

#include <gmock/gmock.h>

namespace vt::terminal {
namespace {

using vtask::v1::ActionFinished;
using vtask::v1::RunEvent;

const absl::Time kStart = absl::FromUnixSeconds(1000);

RunEvent Started(uint32_t index, const std::string& label,
                 vtask::v1::CacheStatus cache = vtask::v1::MISS) {
  RunEvent event;
  auto* started = event.mutable_action_started();
  started->mutable_action()->set_index(index);
  started->mutable_action()->set_label(label);
  started->set_cache(cache);
  return event;
}
RunEvent Finished(uint32_t index, ActionFinished::Outcome outcome) {
  RunEvent event;
  event.mutable_action_finished()->set_action_index(index);
  event.mutable_action_finished()->set_outcome(outcome);
  return event;
}

TEST(ProgressTest, CountsWhatRunsIsDoneHitsAndFails) {
  Progress progress(5, kStart);
  EXPECT_TRUE(progress.Add(Started(1, "a#x", vtask::v1::HIT)));
  EXPECT_TRUE(progress.Add(Started(2, "b#x")));
  EXPECT_EQ(progress.Line(kStart + absl::Seconds(2.9), 80, false),
            "▸ 2 running · 0/5 done · 1 hit · 2s · a#x, b#x");
  progress.Add(Finished(1, ActionFinished::SUCCEEDED));
  progress.Add(Finished(2, ActionFinished::FAILED));
  EXPECT_EQ(progress.Line(kStart + absl::Seconds(65), 80, false),
            "▸ 0 running · 2/5 done · 1 hit · 1 failed · 1m 05s");
}

TEST(ProgressTest, OutputChangesNothing) {
  Progress progress(1, kStart);
  RunEvent event;
  event.mutable_action_output()->set_data("x");
  EXPECT_FALSE(progress.Add(event));
}

TEST(ProgressTest, IsNeverAsWideAsTheTerminal) {
  Progress progress(5, kStart);
  progress.Add(Started(1, "漢字#漢字漢字漢字漢字"));
  EXPECT_EQ(progress.Line(kStart, 40, false),
            "▸ 1 running · 0/5 done · 0s · 漢字#漢…");
  EXPECT_EQ(progress.Line(kStart, 10, true), "\x1b[90m▸ 1 runn…\x1b[0m");
  // More is done than was planned: nested runs.
  progress.Add(Finished(1, ActionFinished::CANCELLED));
  EXPECT_EQ(Progress(0, kStart).Line(kStart + absl::Hours(2), 0, false),
            "▸ 0 running · 0/0 done · 2h 00m");
}

}  // namespace
}  // namespace vt::terminal
