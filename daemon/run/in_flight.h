// SPDX-License-Identifier: Apache-2.0
//
// InFlight: two requests for the same action (root, directory, weak
// fingerprint) never run at once (decisions H1). The second waits, then looks
// up for itself.

#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <string>
#include <vector>

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

  // Takes `key` for `id` and returns true, or queues: `then` is called once it
  // is `id`'s turn (which then holds it). `around`: what `id` runs inside of.
  bool Acquire(const std::string& key, ActionId id,
               const std::vector<ActionId>& around, std::function<void()> then);

  // Whether Acquire would wait for ever: the holder of `key` is one of
  // `around`, or waits, for something that runs inside of it, for one of them.
  bool WouldDeadlock(const std::string& key,
                     const std::vector<ActionId>& around) const;

  // Gives `key` back, or leaves its queue. The next in line is called from
  // here.
  void Release(const std::string& key, ActionId id);

 private:
  struct Waiter {
    ActionId id;
    std::vector<ActionId> around;
    std::function<void()> then;
  };
  struct Line {
    ActionId holder = 0;
    std::deque<Waiter> waiting;
  };
  std::map<std::string, Line> lines_;
};

}  // namespace vt::run
