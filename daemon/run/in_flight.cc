// SPDX-License-Identifier: Apache-2.0

#include "daemon/run/in_flight.h"

#include <algorithm>
#include <utility>

#include "absl/strings/match.h"

namespace vt::run {

std::string FlightPrefix(const std::string& root) {
  return root + std::string(1, '\0');
}

ActionId InFlight::Holder(const std::string& key) const {
  const auto found = lines_.find(key);
  return found == lines_.end() ? 0 : found->second.holder;
}

bool InFlight::IsHeldBelow(const std::string& prefix) const {
  const auto first = lines_.lower_bound(prefix);
  return first != lines_.end() && absl::StartsWith(first->first, prefix);
}

bool InFlight::IsAwaitedInside(const std::string& key) const {
  const auto found = lines_.find(key);
  return found != lines_.end() &&
         std::any_of(
             found->second.waiting.begin(), found->second.waiting.end(),
             [](const Waiter& waiter) { return !waiter.around.empty(); });
}

bool InFlight::Acquire(const std::string& key, ActionId id,
                       const std::vector<ActionId>& around, Then then) {
  Line& line = lines_[key];
  if (line.holder == 0) {
    line.holder = id;
    return true;
  }
  line.waiting.push_back({id, around, std::move(then), /*was_first=*/false});
  return false;
}

bool InFlight::WouldDeadlock(const std::string& key,
                             const std::vector<ActionId>& around) const {
  const auto contains = [](const std::vector<ActionId>& ids, ActionId id) {
    return std::find(ids.begin(), ids.end(), id) != ids.end();
  };
  std::vector<ActionId> holders = {Holder(key)};
  for (size_t i = 0; i < holders.size(); ++i) {
    const ActionId holder = holders[i];
    if (contains(around, holder)) {
      return true;
    }
    for (const auto& [other, line] : lines_) {
      const bool waits_inside = std::any_of(
          line.waiting.begin(), line.waiting.end(), [&](const Waiter& waiter) {
            return contains(waiter.around, holder);
          });
      if (waits_inside && !contains(holders, line.holder)) {
        holders.push_back(line.holder);
      }
    }
  }
  return false;
}

void InFlight::Begin(const std::string& key) {
  const auto found = lines_.find(key);
  if (found != lines_.end()) {
    for (Waiter& waiter : found->second.waiting) {
      waiter.was_first = true;
    }
  }
}

void InFlight::Release(const std::string& key, ActionId id,
                       const KnownHitPtr& outcome) {
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
  next.then(next.was_first ? outcome : nullptr);
}

}  // namespace vt::run
