// SPDX-License-Identifier: Apache-2.0

#include "daemon/run/scheduler.h"

#include <algorithm>
#include <cstddef>
#include <numeric>

namespace vt::run {

Scheduler::Scheduler(const std::vector<std::vector<int>>& depends_on, int limit,
                     const std::vector<int64_t>& costs)
    : waiting_for_(depends_on.size()),
      dependents_(depends_on.size()),
      by_urgency_(depends_on.size()),
      place_(depends_on.size()),
      limit_(limit) {
  for (size_t task = 0; task < depends_on.size(); ++task) {
    waiting_for_[task] = static_cast<int>(depends_on[task].size());
    for (const int dependency : depends_on[task]) {
      dependents_[static_cast<size_t>(dependency)].push_back(
          static_cast<int>(task));
    }
  }
  std::iota(by_urgency_.begin(), by_urgency_.end(), 0);
  // One at a time takes as long in any order: keep the one that people expect.
  if (limit != 1 && costs.size() == depends_on.size()) {
    Rank(costs);
  }
  for (size_t i = 0; i < by_urgency_.size(); ++i) {
    place_[static_cast<size_t>(by_urgency_[i])] = static_cast<int>(i);
  }
  for (size_t task = 0; task < depends_on.size(); ++task) {
    if (depends_on[task].empty()) {
      ready_.insert(place_[task]);
    }
  }
}

// By the length of the longest chain that begins with a task.
void Scheduler::Rank(std::vector<int64_t> costs) {
  const int64_t known = std::count_if(costs.begin(), costs.end(),
                                      [](int64_t c) { return c > 0; });
  if (known == 0) {
    return;
  }
  const int64_t mean =
      std::accumulate(costs.begin(), costs.end(), int64_t{0}) / known;
  std::vector<int64_t>& lengths = costs;
  for (size_t task = lengths.size(); task-- > 0;) {
    int64_t longest = 0;
    for (const int dependent : dependents_[task]) {
      longest = std::max(longest, lengths[static_cast<size_t>(dependent)]);
    }
    lengths[task] = (lengths[task] > 0 ? lengths[task] : mean) + longest;
  }
  std::stable_sort(by_urgency_.begin(), by_urgency_.end(), [&](int a, int b) {
    return lengths[static_cast<size_t>(a)] > lengths[static_cast<size_t>(b)];
  });
}

std::vector<int> Scheduler::TakeReady() {
  std::vector<int> taken;
  while (!stopped_ && !ready_.empty() && (limit_ == 0 || running_ < limit_)) {
    taken.push_back(by_urgency_[static_cast<size_t>(*ready_.begin())]);
    ready_.erase(ready_.begin());
    ++running_;
  }
  return taken;
}

void Scheduler::Succeeded(int task) {
  --running_;
  for (const int dependent : dependents_[static_cast<size_t>(task)]) {
    if (--waiting_for_[static_cast<size_t>(dependent)] == 0) {
      ready_.insert(place_[static_cast<size_t>(dependent)]);
    }
  }
}

void Scheduler::Failed(int /*task*/) { --running_; }

bool Scheduler::is_finished() const {
  return running_ == 0 && (stopped_ || ready_.empty());
}

}  // namespace vt::run
