// SPDX-License-Identifier: Apache-2.0
//
// Computation notes what a thread consults from its construction to Finish, and
// takes a lease on it.

#pragma once

#include <optional>
#include <string>

#include "daemon/base/consulted.h"
#include "daemon/watch/watcher.h"

namespace vt::watch {

// Thread-compatible; made and finished on one thread.
class Computation {
 public:
  // `watcher` may be null: nothing is noted, no lease is had.
  explicit Computation(Watcher* watcher)
      : watcher_(watcher),
        since_(watcher == nullptr ? 0 : watcher->Now()) {
    scope_.emplace(watcher == nullptr ? nullptr : &consulted_);
  }
  Computation(const Computation&) = delete;
  Computation& operator=(const Computation&) = delete;
  ~Computation() = default;

  // Notes no more. As Watcher::Take.
  LeasePtr Finish(const std::string& root) {
    scope_.reset();
    return watcher_ == nullptr ? nullptr
                               : watcher_->Take(consulted_, root, since_);
  }

 private:
  Watcher* const watcher_;
  const Watcher::Moment since_;
  base::Consulted consulted_;
  std::optional<base::ConsultedScope> scope_;
};

}  // namespace vt::watch
