// SPDX-License-Identifier: Apache-2.0
//
// InFlight: two requests for the same action (root, directory, weak
// fingerprint) never run at once (decisions H1). The second waits. If all that
// the first did was done since, what became of it holds for the second, too;
// else that one looks up for itself.

#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "daemon/run/known.h"

namespace vt::run {

using ActionId = uint64_t;

// How the keys of all actions of a workspace begin.
std::string FlightPrefix(const std::string& root);

// Loop-bound.
class InFlight {
 public:
  // Who holds `key` now; 0: nobody.
  ActionId Holder(const std::string& key) const;

  // Whether any key that begins with `prefix` is held.
  bool IsHeldBelow(const std::string& prefix) const;

  // Whether somebody waits for `key` who runs inside of an action.
  bool IsAwaitedInside(const std::string& key) const;

  // Given what Release was given, if it counts.
  using Then = std::function<void(const KnownHitPtr& outcome)>;

  // Takes `key` for `id` and returns true, or queues: `then` is called once it
  // is `id`'s turn (which then holds it). `around`: what `id` runs inside of.
  bool Acquire(const std::string& key, ActionId id,
               const std::vector<ActionId>& around, Then then);

  // Whether Acquire would wait for ever: the holder of `key` is one of
  // `around`, or waits, for something that runs inside of it, for one of them.
  bool WouldDeadlock(const std::string& key,
                     const std::vector<ActionId>& around) const;

  // The holder of `key` runs from now on: its outcome counts for those who wait
  // already. For who comes later, something that it has read may have changed
  // before.
  void Begin(const std::string& key);

  // Gives `key` back, or leaves its queue. The next in line is called from
  // here. `outcome`: the result of `id`, just stored, its outputs in place;
  // null if there is none.
  void Release(const std::string& key, ActionId id,
               const KnownHitPtr& outcome = nullptr);

 private:
  struct Waiter {
    ActionId id;
    std::vector<ActionId> around;
    Then then;
    bool was_first = false;  // here before the holder began
  };
  struct Line {
    ActionId holder = 0;
    std::deque<Waiter> waiting;
  };
  std::map<std::string, Line> lines_;
};

}  // namespace vt::run
