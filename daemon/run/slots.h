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
  // `soft`: a run that is alone is not held by it.
  void SetLimit(int limit, bool soft);

  // Where each slot is also a token; null: nowhere. Nobody holds a slot.
  void SetTokens(Jobserver* tokens) { tokens_ = tokens; }

  // Takes a slot for `id` and returns true, or queues: `then` is called once it
  // has one. A run that holds none gets one at once, limit or not: it may be
  // inside of an action that waits for it (decisions H2).
  bool Acquire(Run run, ActionId id, std::function<void()> then);

  // Gives the slot of `id` back, or leaves the queue; nothing if it has
  // neither. Who is next is called from here.
  void Release(ActionId id);

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
    int held = 0;
    uint64_t served = 0;  // when it got its last slot
    std::deque<Waiter> waiting;
  };

  bool HasFree() const {
    return limit_ == 0 || held() < limit_ || (soft_ && lines_.size() == 1);
  }
  // Whether a further slot for a run that has some can be had; if so it has its
  // token.
  bool TakeFree();
  // Takes `id` out of the queue; nullopt if it is in none. `*run`: whose.
  std::optional<Waiter> LeaveLine(ActionId id, Run* run);
  void Hold(Run run, ActionId id, bool has_token);
  void Forget(Run run);
  void ServeNext();

  int limit_ = 0;
  bool soft_ = false;
  uint64_t now_ = 0;  // counts the slots that were given
  Jobserver* tokens_ = nullptr;
  std::map<ActionId, Holder> holders_;
  std::map<Run, Line> lines_;  // of runs that hold, or wait for, something
};

}  // namespace vt::run
