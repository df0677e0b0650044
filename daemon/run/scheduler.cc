// SPDX-License-Identifier: Apache-2.0

#include "daemon/run/scheduler.h"

#include <cstddef>

namespace vt::run {

Scheduler::Scheduler(const std::vector<std::vector<int>>& depends_on, int limit)
    : waiting_for_(depends_on.size()),
      dependents_(depends_on.size()),
      started_(depends_on.size()),
      limit_(limit),
      left_(static_cast<int>(depends_on.size())) {
  for (size_t task = 0; task < depends_on.size(); ++task) {
    waiting_for_[task] = static_cast<int>(depends_on[task].size());
    for (const int dependency : depends_on[task]) {
      dependents_[static_cast<size_t>(dependency)].push_back(
          static_cast<int>(task));
    }
  }
}

std::vector<int> Scheduler::TakeReady() {
  std::vector<int> ready;
  for (size_t task = 0; task < started_.size() && !stopped_; ++task) {
    if (limit_ > 0 && running_ >= limit_) {
      break;
    }
    if (!started_[task] && waiting_for_[task] == 0) {
      started_[task] = true;
      ++running_;
      --left_;
      ready.push_back(static_cast<int>(task));
    }
  }
  return ready;
}

void Scheduler::Succeeded(int task) {
  --running_;
  for (const int dependent : dependents_[static_cast<size_t>(task)]) {
    --waiting_for_[static_cast<size_t>(dependent)];
  }
}

void Scheduler::Failed(int /*task*/) {
  --running_;
  stopped_ = true;
}

bool Scheduler::is_finished() const {
  return running_ == 0 && (stopped_ || left_ == 0);
}

}  // namespace vt::run
