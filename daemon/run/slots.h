// SPDX-License-Identifier: Apache-2.0
//
// Slots: how many cached actions of all runs together run at once on this
// machine, whatever limit each run has, and who is next: runs take turns, so
// that a small run beside a big one is not the last to be served.

#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <optional>

#include "daemon/run/in_flight.h"
#include "daemon/run/jobserver.h"

namespace vt::run {

// Loop-bound.
class Slots {
 public:
  // What tells one run from another.
  using Run = const void*;

  // Of the machine; 0: none. A lower one counts for who comes from now on.
  // `soft`: a run that is alone is not held by it, and each may have one.
  void SetLimit(int limit, bool soft);

  // Where each slot is also a token; null: nowhere. Nobody holds a slot.
  void SetTokens(Jobserver* tokens) { tokens_ = tokens; }

  // Takes a slot for `id` and returns true, or queues: `then` is called once it
  // has one. `is_nested`: the run is inside of an action, which holds a slot
  // and waits for it; so it gets its first one at once, limit or not (decisions
  // H2).
  bool Acquire(Run run, bool is_nested, ActionId id,
               std::function<void()> then);

  // Gives the slot of `id` back, or leaves the queue; nothing if it has
  // neither. Who is next is called from here. `was_killed`: tools of it may
  // have kept their tokens.
  void Release(ActionId id, bool was_killed = false);

  // If `id` is queued, it gets a slot now, limit or not: somebody waits for it
  // who holds one.
  void Hurry(ActionId id);

  int held() const { return static_cast<int>(holders_.size()); }

 private:
  struct Waiter {
    ActionId id;
    std::function<void()> then;
  };
  struct Holder {
    Run run;
    // Not if it is the only one of its run, and there was none.
    bool has_token;
  };
  struct Line {
    bool is_nested = false;
    int held = 0;
    uint64_t served = 0;  // when it got its last slot
    std::deque<Waiter> waiting;
  };

  bool HasFree() const {
    return limit_ == 0 || held() < limit_ || (soft_ && lines_.size() == 1);
  }
  // Whether it gets one in any case: its first.
  bool MayExceed(const Line& line) const {
    return line.held == 0 && (line.is_nested || soft_);
  }
  // Whether a slot can be had that is free; if so it has its token.
  bool TakeFree();
  int HeldTokens() const;
  // Takes `id` out of the queue; nullopt if it is in none. `*run`: whose.
  std::optional<Waiter> LeaveLine(ActionId id, Run* run);
  void Hold(Run run, ActionId id, bool has_token);
  void Forget(Run run);
  void ServeNext();

  int limit_ = 0;
  bool soft_ = false;
  uint64_t now_ = 0;  // counts the slots that were given
  Jobserver* tokens_ = nullptr;
  bool may_miss_tokens_ = false;  // a tool was killed
  std::map<ActionId, Holder> holders_;
  std::map<Run, Line> lines_;  // of runs that hold, or wait for, something
};

}  // namespace vt::run
