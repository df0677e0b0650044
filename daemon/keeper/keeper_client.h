// SPDX-License-Identifier: Apache-2.0
//
// KeeperClient: the daemon's side of the keeper's socket (held_listeners.h).

#pragma once

#include <functional>
#include <memory>

#include "daemon/base/unique_fd.h"

namespace vt::keeper {

// Thread-safe.
class KeeperClient {
 public:
  // `socket` is what `--keeper-fd` named; it is made close-on-exec. Invalid: no
  // keeper (started by hand or by systemd), and nothing is ever entrusted.
  explicit KeeperClient(base::UniqueFd socket);
  ~KeeperClient();
  KeeperClient(const KeeperClient&) = delete;
  KeeperClient& operator=(const KeeperClient&) = delete;

  // Gives the keeper a duplicate of `listener_fd` (borrowed), and returns when
  // it holds it. The closure makes the keeper close it; call it once, when no
  // process is under that listener any more, from any thread, also after the
  // client is gone.
  //
  // Blocking: tens of microseconds, at most 5 s. A keeper that is gone or does
  // not answer is no error: the run goes on with one rope less, and the closure
  // does nothing.
  std::function<void()> Entrust(int listener_fd);

 private:
  class Channel;
  std::shared_ptr<Channel> channel_;  // shared with the closures
};

}  // namespace vt::keeper
