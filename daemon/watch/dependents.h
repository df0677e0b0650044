// SPDX-License-Identifier: Apache-2.0
//
// Dependents: which leases end with what of one directory, in 8 bytes each. A
// workspace of 1000 packages has some 100 000 of them.

#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <vector>

#include "absl/strings/string_view.h"

namespace vt::watch {

// What of a directory (or of a file that is watched itself) a lease depends on:
// the entry whose name has this hash, ...
using Aspect = uint32_t;
// ... itself, ...
constexpr Aspect kItself = 0;
// ... which entries there are, ...
constexpr Aspect kListing = 1;
// ... or which directories are among them.
constexpr Aspect kSubDirectories = 2;

// None of the above. Two names of one hash cost a lease, no more.
Aspect AspectOfName(absl::string_view name);

// Thread-compatible.
class Dependents {
 public:
  // Leases that ended otherwise are still in it. They are left out whenever it
  // would grow: `is_live` tells them.
  void Add(Aspect aspect, uint32_t lease,
           const std::function<bool(uint32_t)>& is_live);
  // Takes out the leases on `aspect` and calls `end` for each.
  void End(Aspect aspect, const std::function<void(uint32_t)>& end);
  // All of them.
  void EndAll(const std::function<void(uint32_t)>& end);
  // Leaves out what is not live, and gives back the room.
  void Purge(const std::function<bool(uint32_t)>& is_live);
  bool empty() const { return pairs_.empty(); }

 private:
  struct Pair {
    Aspect aspect;
    uint32_t lease;  // 0: taken out
    friend auto operator<=>(const Pair& a, const Pair& b) = default;
  };
  void Compact(const std::function<bool(uint32_t)>& is_live);

  std::vector<Pair> pairs_;
  // So many stand in order of their aspects. Those that were added since are
  // put into it with the next event, which is rare.
  size_t sorted_ = 0;
};

}  // namespace vt::watch
