// SPDX-License-Identifier: Apache-2.0

#include "daemon/run/scheduler.h"

#include <cstddef>

namespace vt::run {

Scheduler::Scheduler(const std::vector<std::vector<int>>& depends_on, int limit)
    : waiting_for_(depends_on.size()),
      dependents_(depends_on.size()),
      limit_(limit) {
  for (size_t task = 0; task < depends_on.size(); ++task) {
    waiting_for_[task] = static_cast<int>(depends_on[task].size());
    for (const int dependency : depends_on[task]) {
      dependents_[static_cast<size_t>(dependency)].push_back(
          static_cast<int>(task));
    }
    if (depends_on[task].empty()) {
      ready_.insert(static_cast<int>(task));
    }
  }
}

std::vector<int> Scheduler::TakeReady() {
  std::vector<int> taken;
  while (!stopped_ && !ready_.empty() && (limit_ == 0 || running_ < limit_)) {
    taken.push_back(*ready_.begin());
    ready_.erase(ready_.begin());
    ++running_;
  }
  return taken;
}

void Scheduler::Succeeded(int task) {
  --running_;
  for (const int dependent : dependents_[static_cast<size_t>(task)]) {
    if (--waiting_for_[static_cast<size_t>(dependent)] == 0) {
      ready_.insert(dependent);
    }
  }
}

void Scheduler::Failed(int /*task*/) { --running_; }

bool Scheduler::is_finished() const {
  return running_ == 0 && (stopped_ || ready_.empty());
}

}  // namespace vt::run
