// SPDX-License-Identifier: Apache-2.0
//
// StdinPipe: standard input of a process that the daemon runs for a client that
// has no terminal to lend (an editor), fed from the request stream.

#pragma once

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

#include "daemon/base/unique_fd.h"
#include "daemon/loop/event_loop.h"
#include "daemon/loop/fd_watch.h"

namespace vt::run {

// Loop-bound.
class StdinPipe {
 public:
  static absl::StatusOr<std::unique_ptr<StdinPipe>> Open(loop::EventLoop* loop);

  // The end for the child; closed by CloseReader after the spawn.
  int reader() const { return reader_.get(); }
  void CloseReader() { reader_.Reset(); }

  // Queues `data`; with `eof` the child sees the end after it. What a child
  // that has gone did not read is dropped.
  void Write(absl::string_view data, bool eof);

 private:
  explicit StdinPipe(loop::EventLoop* loop) : loop_(loop) {}
  void Flush();

  loop::EventLoop* const loop_;
  base::UniqueFd reader_, writer_;
  std::string queue_;
  bool eof_ = false;
  std::unique_ptr<loop::FdWatch> watch_;
};

}  // namespace vt::run
