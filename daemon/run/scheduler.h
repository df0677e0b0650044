// SPDX-License-Identifier: Apache-2.0
//
// Scheduler decides which tasks of a plan may start now: dependencies first, at
// most `limit` at once. Where there is a choice, and it is known how long tasks
// take, the one that the longest chain of others waits for comes first, else
// the first of the plan. Knows numbers only.

#pragma once

#include <cstdint>
#include <set>
#include <vector>

namespace vt::run {

// Thread-compatible.
class Scheduler {
 public:
  // `depends_on[i]`: the tasks that i waits for, all smaller than i. `limit` 0:
  // no limit. `costs[i]`: how long i is expected to take, in any unit; 0: not
  // known, it counts as the mean of the others. Empty, or all 0: plan order.
  Scheduler(const std::vector<std::vector<int>>& depends_on, int limit,
            const std::vector<int64_t>& costs = {});

  // Marks as started, and returns, every task that may start now, the most
  // urgent one first.
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
  void Rank(std::vector<int64_t> costs);

  std::vector<int> waiting_for_;  // dependencies not yet done
  std::vector<std::vector<int>> dependents_;
  // The tasks, the most urgent one first, and the place of each in there.
  std::vector<int> by_urgency_, place_;
  std::set<int> ready_;  // places; may start as soon as the limit allows
  int limit_;
  int running_ = 0;
  bool stopped_ = false;
};

}  // namespace vt::run
