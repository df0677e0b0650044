// SPDX-License-Identifier: Apache-2.0

#include "daemon/run/in_flight.h"

#include <algorithm>
#include <utility>

namespace vt::run {

ActionId InFlight::Holder(const std::string& key) const {
  const auto found = lines_.find(key);
  return found == lines_.end() ? 0 : found->second.holder;
}

bool InFlight::Acquire(const std::string& key, ActionId id,
                       std::function<void()> then) {
  Line& line = lines_[key];
  if (line.holder == 0) {
    line.holder = id;
    return true;
  }
  line.waiting.push_back({id, std::move(then)});
  return false;
}

void InFlight::Release(const std::string& key, ActionId id) {
  const auto found = lines_.find(key);
  if (found == lines_.end()) {
    return;
  }
  Line& line = found->second;
  if (line.holder != id) {
    line.waiting.erase(
        std::remove_if(line.waiting.begin(), line.waiting.end(),
                       [id](const Waiter& waiter) { return waiter.id == id; }),
        line.waiting.end());
    return;
  }
  if (line.waiting.empty()) {
    lines_.erase(found);
    return;
  }
  Waiter next = std::move(line.waiting.front());
  line.waiting.pop_front();
  line.holder = next.id;
  next.then();
}

}  // namespace vt::run
