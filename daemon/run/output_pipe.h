// SPDX-License-Identifier: Apache-2.0
//
// OutputPipe: one stream of a child, read on the loop. It can be paused, which
// makes the child wait in write(2): that is all the flow control there is.

#pragma once

#include <functional>
#include <memory>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

#include "daemon/base/unique_fd.h"
#include "daemon/loop/event_loop.h"
#include "daemon/loop/fd_watch.h"

namespace vt::run {

// Loop-bound.
class OutputPipe {
 public:
  using OnData = std::function<void(absl::string_view)>;

  // Makes the pipe. RESOURCE_EXHAUSTED: no descriptors.
  static absl::StatusOr<std::unique_ptr<OutputPipe>> Open(loop::EventLoop* loop,
                                                          OnData on_data);

  // The end for the child; closed by CloseWriter after the spawn.
  int writer() const { return writer_.get(); }
  void CloseWriter() { writer_.Reset(); }
  // What tells it from every other pipe.
  ino_t inode() const;

  void SetPaused(bool paused);

  // Takes what is in the pipe now and closes it: a grandchild that still holds
  // the other end does not hold the action.
  void Finish();

 private:
  OutputPipe(loop::EventLoop* loop, OnData on_data);
  // Reads until the pipe is empty, or `limit` bytes. False at its end.
  bool Read(size_t limit);

  loop::EventLoop* const loop_;
  const OnData on_data_;
  base::UniqueFd reader_, writer_;
  std::unique_ptr<loop::FdWatch> watch_;
};

}  // namespace vt::run
