// SPDX-License-Identifier: Apache-2.0
//
// Connections accepts what knocks at the listening socket, lets in only the own
// user, and knows when a connection is gone although gRPC owns it.
//
// gRPC gets the accepted descriptor; we keep a duplicate, for two reasons. A
// client that stopped reading can be got rid of only by shutdown(2) on it
// (shared/stack.md 2, trap B). And it tells us when the connection ends: all
// duplicates are in one epoll set for EPOLLRDHUP alone, which is there as soon
// as either side is done: the peer closed its end, or gRPC closed ours. gRPC
// calls shutdown(2) before it closes a socket (fd_shutdown in its
// ev_epoll1_linux.cc), so our open duplicate does not keep the peer waiting for
// its EOF either; ServerTest.AClientThatTalksNonsenseIsHungUpOn watches over
// that.

#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"

#include "daemon/base/mutex.h"
#include "daemon/base/unique_fd.h"
#include "daemon/loop/event_loop.h"
#include "daemon/loop/fd_watch.h"

namespace vt::service {

// Loop-bound, except for BreakAll.
class Connections {
 public:
  // `adopt` takes over a non-blocking descriptor of an accepted connection.
  // `on_change` gets the number of connections. RESOURCE_EXHAUSTED: no
  // descriptor for the epoll set.
  static absl::StatusOr<std::unique_ptr<Connections>> Start(
      loop::EventLoop* loop, base::UniqueFd listener,
      std::function<void(int fd)> adopt, std::function<void(int)> on_change);
  Connections(const Connections&) = delete;
  Connections& operator=(const Connections&) = delete;
  ~Connections() = default;

  // Lets in who is waiting already, then closes the listener.
  void StopAccepting();

  // Ends every connection at once, as if the peers had gone. Any thread.
  void BreakAll() ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  Connections(loop::EventLoop* loop, base::UniqueFd listener,
              base::UniqueFd epoll, std::function<void(int fd)> adopt,
              std::function<void(int)> on_change);
  void AcceptAll();
  // False when there is nobody (left), or no descriptor for them.
  bool AcceptOne();
  void Hold(int connection) ABSL_LOCKS_EXCLUDED(mutex_);
  void OnGone() ABSL_LOCKS_EXCLUDED(mutex_);
  void Pause();

  loop::EventLoop* const loop_;
  const std::function<void(int fd)> adopt_;
  const std::function<void(int)> on_change_;
  // Each watch below its descriptor: destroyed before it.
  base::UniqueFd listener_;
  base::UniqueFd epoll_;
  base::Mutex mutex_;
  std::map<int, base::UniqueFd> holds_ ABSL_GUARDED_BY(mutex_);
  std::unique_ptr<loop::FdWatch> accept_watch_;
  std::unique_ptr<loop::FdWatch> gone_watch_;
  // Runs while accepting is paused.
  std::unique_ptr<loop::Timer> resume_;
};

}  // namespace vt::service
