// SPDX-License-Identifier: Apache-2.0

#include "daemon/run/slots.h"

#include <algorithm>
#include <tuple>
#include <utility>

namespace vt::run {

void Slots::SetLimit(int limit, bool soft) {
  limit_ = limit;
  soft_ = soft;
  ServeNext();
}

bool Slots::Acquire(Run run, bool is_nested, ActionId id,
                    std::function<void()> then) {
  Line& line = lines_[run];
  line.is_nested = is_nested;
  if (MayExceed(line)) {
    Hold(run, id, tokens_ != nullptr && tokens_->Take());
    return true;
  }
  if (line.waiting.empty() && TakeFree()) {
    Hold(run, id, tokens_ != nullptr);
    return true;
  }
  line.waiting.push_back({id, std::move(then)});
  return false;
}

int Slots::HeldTokens() const {
  return static_cast<int>(std::count_if(
      holders_.begin(), holders_.end(),
      [](const auto& holder) { return holder.second.has_token; }));
}

void Slots::Release(ActionId id, bool was_killed) {
  if (const auto holder = holders_.find(id); holder != holders_.end()) {
    const Run run = holder->second.run;
    if (holder->second.has_token) {
      tokens_->Put();
    }
    holders_.erase(holder);
    if (tokens_ != nullptr) {
      may_miss_tokens_ = may_miss_tokens_ || was_killed;
      if (holders_.empty() || (may_miss_tokens_ && !tokens_->IsInUse())) {
        tokens_->Refill(HeldTokens());
        may_miss_tokens_ = false;
      }
    }
    --lines_[run].held;
    Forget(run);
    ServeNext();
    return;
  }
  Run run = nullptr;
  if (LeaveLine(id, &run).has_value()) {
    Forget(run);
    ServeNext();  // another run may be alone now
  }
}

void Slots::Hurry(ActionId id) {
  Run run = nullptr;
  if (const std::optional<Waiter> waiter = LeaveLine(id, &run)) {
    Hold(run, id, tokens_ != nullptr && tokens_->Take());
    waiter->then();
  }
}

std::optional<Slots::Waiter> Slots::LeaveLine(ActionId id, Run* run) {
  for (auto& [owner, line] : lines_) {
    const auto found =
        std::find_if(line.waiting.begin(), line.waiting.end(),
                     [id](const Waiter& other) { return other.id == id; });
    if (found != line.waiting.end()) {
      *run = owner;
      Waiter waiter = std::move(*found);
      line.waiting.erase(found);
      return waiter;
    }
  }
  return std::nullopt;
}

bool Slots::TakeFree() {
  if (!HasFree()) {
    return false;
  }
  if (tokens_ == nullptr || tokens_->Take()) {
    return true;
  }
  // Tools have them all.
  tokens_->WhenFree([this] { ServeNext(); });
  return false;
}

void Slots::Hold(Run run, ActionId id, bool has_token) {
  holders_[id] = {run, has_token};
  Line& line = lines_[run];
  ++line.held;
  line.served = ++now_;
}

void Slots::Forget(Run run) {
  const auto line = lines_.find(run);
  if (line->second.held == 0 && line->second.waiting.empty()) {
    lines_.erase(line);
  }
}

// Who gets one in any case; else the run with the fewest slots, of equals the
// one that waits for its turn the longest.
void Slots::ServeNext() {
  while (true) {
    const auto rank = [this](const Line& of) {
      return std::make_tuple(of.waiting.empty(), !MayExceed(of), of.held,
                             of.served);
    };
    const auto next = std::min_element(lines_.begin(), lines_.end(),
                                       [&](const auto& a, const auto& b) {
                                         return rank(a.second) < rank(b.second);
                                       });
    if (next == lines_.end() || next->second.waiting.empty()) {
      return;
    }
    bool has_token = tokens_ != nullptr;
    if (MayExceed(next->second)) {
      has_token = has_token && tokens_->Take();
    } else if (!TakeFree()) {
      return;
    }
    Waiter waiter = std::move(next->second.waiting.front());
    next->second.waiting.pop_front();
    Hold(next->first, waiter.id, has_token);
    waiter.then();
  }
}

}  // namespace vt::run
