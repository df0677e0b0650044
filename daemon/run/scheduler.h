// SPDX-License-Identifier: Apache-2.0
//
// Scheduler decides which tasks of a plan may start now: dependencies first, at
// most `limit` at once, in plan order. Knows numbers only.

#pragma once

#include <set>
#include <vector>

namespace vt::run {

// Thread-compatible.
class Scheduler {
 public:
  // `depends_on[i]`: the tasks that i waits for. `limit` 0: no limit.
  Scheduler(const std::vector<std::vector<int>>& depends_on, int limit);

  // Marks as started, and returns, every task that may start now.
  std::vector<int> TakeReady();
  // `task` has ended well: its dependents may follow.
  void Succeeded(int task);
  // `task` has ended otherwise: its dependents never start.
  void Failed(int task);
  // Nothing new starts from now on.
  void Stop() { stopped_ = true; }

  // Nothing runs, and nothing will.
  bool is_finished() const;

 private:
  std::vector<int> waiting_for_;  // dependencies not yet done
  std::vector<std::vector<int>> dependents_;
  std::set<int> ready_;  // may start as soon as the limit allows
  int limit_;
  int running_ = 0;
  bool stopped_ = false;
};

}  // namespace vt::run
