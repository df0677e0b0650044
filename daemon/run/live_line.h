// SPDX-License-Identifier: Apache-2.0
//
// LiveLine keeps the caller's status line up to date while a run is long.

#pragma once

#include <functional>
#include <memory>
#include <string>

#include "absl/time/time.h"

#include "daemon/base/env_query.h"
#include "daemon/loop/event_loop.h"
#include "daemon/loop/fd_watch.h"
#include "daemon/terminal/progress.h"
#include "vtask/v1/daemon.pb.h"
#include "vtask/v1/run_event.pb.h"

namespace vt::run {

// Whether a run of `start` should have one: in a terminal that can take a line
// back, never in pipes and in CI (`CI` is set and is not "false" or "0").
bool WantsLiveLine(const vtask::v1::RunStart& start, const base::EnvMap& env);

// Shows nothing in the first second. Loop-bound.
class LiveLine {
 public:
  using Send = std::function<void(vtask::v1::RunResponse)>;

  // `total`: actions of the plan. `is_congested`: the caller does not read; a
  // line that is not shown is no loss.
  LiveLine(loop::EventLoop* loop, int total, int columns, bool colour,
           Send send, std::function<bool()> is_congested);

  void Add(const vtask::v1::RunEvent& event);
  void Resized(int columns);
  // Takes the line away, for good.
  void End();

 private:
  void Tick();
  void ShowIn(absl::Duration delay);

  loop::EventLoop* const loop_;
  const bool colour_;
  const Send send_;
  const std::function<bool()> is_congested_;
  const absl::Time started_;
  terminal::Progress progress_;
  int columns_;
  std::string shown_;
  bool is_soon_ = false;  // the timer is set for a change, not for the clock
  std::unique_ptr<loop::Timer> timer_;  // null: ended
};

}  // namespace vt::run
