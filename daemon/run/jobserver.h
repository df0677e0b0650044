// SPDX-License-Identifier: Apache-2.0
//
// Jobserver: the pool of tokens that tools inside of tasks may take more
// processes from (GNU make's "POSIX Jobserver" chapter, the style with a fifo:
// make 4.4, ninja 1.13, cargo). Our own running actions take theirs out of the
// same pool. A token is a byte in the fifo.

#pragma once

#include <functional>
#include <memory>
#include <string>

#include "absl/status/statusor.h"

#include "daemon/base/unique_fd.h"
#include "daemon/loop/event_loop.h"
#include "daemon/loop/fd_watch.h"

namespace vt::run {

// Loop-bound.
class Jobserver {
 public:
  // Makes the fifo `path`, ours alone, with `tokens` in it. Errors: as mkfifo.
  static absl::StatusOr<std::unique_ptr<Jobserver>> Open(loop::EventLoop* loop,
                                                         std::string path,
                                                         int tokens);
  Jobserver(const Jobserver&) = delete;
  Jobserver& operator=(const Jobserver&) = delete;
  ~Jobserver();

  int tokens() const { return tokens_; }
  // For a task's MAKEFLAGS.
  std::string MakeFlags() const;

  // Takes one, if one is there.
  bool Take();
  void Put();
  // Calls `then` once, when one may be there. The last call counts.
  void WhenFree(std::function<void()> then);
  // No tool has any: all but `held` are there again. What a tool held that was
  // killed is found this way (make's manual leaves it lost).
  void Refill(int held);
  // Whether a process below this one has the fifo: who holds a token has it
  // open, to give it back. Blocking: 10 us a process of the machine.
  bool IsInUse() const;

 private:
  Jobserver(loop::EventLoop* loop, std::string path, int tokens,
            base::UniqueFd fifo);

  loop::EventLoop* const loop_;
  const std::string path_;
  const int tokens_;
  const base::UniqueFd fifo_;
  std::function<void()> then_;
  std::unique_ptr<loop::FdWatch> watch_;  // while somebody waits
};

}  // namespace vt::run
