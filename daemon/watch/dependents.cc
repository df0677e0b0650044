// SPDX-License-Identifier: Apache-2.0

#include "daemon/watch/dependents.h"

#include <algorithm>
#include <utility>

#include "daemon/base/fnv.h"

namespace vt::watch {

Aspect AspectOfName(absl::string_view name) {
  const uint64_t hash = base::Fnv1a64(name);
  const auto folded = static_cast<uint32_t>(hash ^ (hash >> 32));
  return std::max(folded, kSubDirectories + 1);
}

void Dependents::Add(Aspect aspect, uint32_t lease,
                     const std::function<bool(uint32_t)>& is_live) {
  if (pairs_.size() == pairs_.capacity()) {
    Compact(is_live);
    // So that it is not done again soon; no more, for most stay as they are.
    pairs_.reserve(pairs_.size() + pairs_.size() / 2 + 4);
  }
  pairs_.push_back({aspect, lease});
}

void Dependents::End(Aspect aspect, const std::function<void(uint32_t)>& end) {
  const auto before = [](const Pair& a, const Pair& b) {
    return a.aspect < b.aspect;
  };
  if (sorted_ < pairs_.size()) {
    const auto middle = pairs_.begin() + static_cast<std::ptrdiff_t>(sorted_);
    std::sort(middle, pairs_.end(), before);
    std::inplace_merge(pairs_.begin(), middle, pairs_.end(), before);
    sorted_ = pairs_.size();
  }
  const auto [first, last] =
      std::equal_range(pairs_.begin(), pairs_.end(), Pair{aspect, 0}, before);
  for (auto pair = first; pair != last; ++pair) {
    // Marked only: to move all others up for each file of a large directory
    // that is removed takes seconds.
    if (const uint32_t lease = std::exchange(pair->lease, 0); lease != 0) {
      end(lease);
    }
  }
}

void Dependents::EndAll(const std::function<void(uint32_t)>& end) {
  for (const Pair& pair : pairs_) {
    if (pair.lease != 0) {
      end(pair.lease);
    }
  }
  pairs_ = {};
  sorted_ = 0;
}

void Dependents::Compact(const std::function<bool(uint32_t)>& is_live) {
  const auto is_dead = [&](const Pair& pair) {
    return pair.lease == 0 || !is_live(pair.lease);
  };
  pairs_.erase(std::remove_if(pairs_.begin(), pairs_.end(), is_dead),
               pairs_.end());
  std::sort(pairs_.begin(), pairs_.end());
  pairs_.erase(std::unique(pairs_.begin(), pairs_.end()), pairs_.end());
  sorted_ = pairs_.size();
}

void Dependents::Purge(const std::function<bool(uint32_t)>& is_live) {
  Compact(is_live);
  pairs_.shrink_to_fit();
}

}  // namespace vt::watch
