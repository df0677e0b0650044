// SPDX-License-Identifier: Apache-2.0
//
// Watcher knows, without looking, that files have not changed: inotify watches
// on the directories that hold them, and leases on what was asked of them.
// docs/FRESHNESS.md is the treatise: what is seen, what cannot be, and why a
// doubt only costs time.

#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"

#include "daemon/base/consulted.h"

namespace vt::watch {

class Watcher;

// That everything one computation consulted is still as it was. Ends for ever
// with the first event on any of it, or the first doubt. Thread-safe; must go
// before its Watcher.
class Lease {
 public:
  Lease(Watcher* watcher, uint32_t id) : watcher_(watcher), id_(id) {}
  Lease(const Lease&) = delete;
  Lease& operator=(const Lease&) = delete;
  ~Lease();

  // As of the last Watcher::Sync.
  bool holds() const { return holds_.load(std::memory_order_acquire); }

 private:
  friend class Watcher;
  Watcher* const watcher_;
  const uint32_t id_;
  mutable std::atomic<bool> holds_{true};
};
using LeasePtr = std::shared_ptr<const Lease>;

// Thread-safe. Calls take microseconds, but for the first Take of a workspace
// (5 to 10 us a directory). The lock is held over system calls that do not
// block.
class Watcher {
 public:
  struct Options {
    // Watches it may have; 0: half of what the user may (decisions H9).
    size_t budget = 0;
  };
  // Grows with every event. A computation may be leased if it began after one.
  using Moment = uint64_t;

  // RESOURCE_EXHAUSTED: the user has no inotify instance left.
  static absl::StatusOr<std::unique_ptr<Watcher>> Create(
      const Options& options);
  Watcher(const Watcher&) = delete;
  Watcher& operator=(const Watcher&) = delete;
  ~Watcher();

  // Takes in every event of what happened before the call, and proves it with a
  // cookie (decisions H10); then Lease::holds is up to date. False: it cannot,
  // and nothing may be trusted; all leases have ended.
  bool Sync();
  // The same without asking for changed mounts, and unproven: for use within a
  // run that has synced.
  void Drain();

  Moment Now() const;

  // Watches what a computation is going to consult, as far as that can be
  // watched. If it begins at the result it may be leased the first time.
  Moment Watch(const base::Consulted& expected, const std::string& root);

  // A lease for a computation that began at `since`, or later (where
  // Consulted::since says so), and has consulted `consulted`; `root` is its
  // workspace. Null if that cannot be promised: something of it changed
  // meanwhile, was not watched yet (it is from now on: do it again), or cannot
  // be watched.
  LeasePtr Take(const base::Consulted& consulted, const std::string& root,
                Moment since);
  // One for each part of such a computation.
  std::vector<LeasePtr> TakeEach(
      const std::vector<const base::Consulted*>& parts, const std::string& root,
      Moment since);

  // Gives up the watches that no lease needs.
  void Sweep();
  // Keeps all watches, but gives back memory that leases needed which have
  // ended. Some 10 ms, if there were 100 000 files.
  void Purge();

  // Readable while events wait. Stays open.
  int fd() const;

  // For tests and statistics.
  size_t watches() const;
  size_t leases() const;

 private:
  friend class Lease;
  struct State;
  explicit Watcher(std::unique_ptr<State> state);
  const std::unique_ptr<State> state_;
};

}  // namespace vt::watch
