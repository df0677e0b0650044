// SPDX-License-Identifier: Apache-2.0
//
// Computation notes what a thread consults from its construction to Finish, and
// takes a lease on it.

#pragma once

#include <optional>
#include <string>
#include <vector>

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
  // What it expects to consult is watched at once, below `root` and elsewhere.
  Computation(Watcher* watcher, const std::string& root)
      : Computation(watcher) {
    if (watcher != nullptr) {
      expecting_.emplace([watcher, root](const base::Consulted& expected) {
        return watcher->Watch(expected, root);
      });
    }
  }
  Computation(const Computation&) = delete;
  Computation& operator=(const Computation&) = delete;
  ~Computation() = default;

  // Notes no more. As Watcher::Take.
  LeasePtr Finish(const std::string& root) { return Finish(root, {}).back(); }
  // The same where parts of it were noted elsewhere, while it ran: a lease for
  // each, and as the last one that for the rest.
  std::vector<LeasePtr> Finish(const std::string& root,
                               std::vector<const base::Consulted*> parts) {
    expecting_.reset();
    scope_.reset();
    parts.push_back(&consulted_);
    return watcher_ == nullptr ? std::vector<LeasePtr>(parts.size())
                               : watcher_->TakeEach(parts, root, since_);
  }

 private:
  Watcher* const watcher_;
  const Watcher::Moment since_;
  base::Consulted consulted_;
  std::optional<base::ConsultedScope> scope_;
  std::optional<base::ExpectingScope> expecting_;
};

}  // namespace vt::watch
