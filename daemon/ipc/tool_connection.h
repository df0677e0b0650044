// SPDX-License-Identifier: Apache-2.0
//
// ToolConnection: one client of a ToolEndpoint. Moves bytes without blocking,
// in bounded memory: a client that does not read its answers is not read from
// for ever.

#pragma once

#include <sys/types.h>

#include <cstddef>
#include <memory>
#include <string>

#include "absl/strings/string_view.h"

#include "daemon/base/unique_fd.h"
#include "daemon/ipc/frame.h"
#include "daemon/ipc/report_collector.h"
#include "daemon/loop/event_loop.h"
#include "daemon/loop/fd_watch.h"

namespace vt::ipc {

// Loop-bound.
class ToolConnection {
 public:
  class Owner {
   public:
    // `connection` has ended by itself and may be destroyed here.
    virtual void ConnectionEnded(ToolConnection* connection) = 0;

   protected:
    ~Owner() = default;
  };

  // `fd` is a connected non-blocking socket; or the end of a pipe to read from,
  // and `replies` that of one to write to. `owner` and `collector` outlive the
  // connection.
  ToolConnection(loop::EventLoop* loop, base::UniqueFd fd,
                 base::UniqueFd replies, Peer peer, ReportCollector* collector,
                 Owner* owner);
  ToolConnection(const ToolConnection&) = delete;
  ToolConnection& operator=(const ToolConnection&) = delete;

  // Takes what the client has written so far and answers nothing more. True if
  // that was all it will ever write. The connection is only good for
  // destruction then.
  bool TakeRest();

  const ToolOrigin& origin() const { return peer_.origin; }

 private:
  enum class State {
    kOpen,
    kReadAll,  // the client has ended its side; answers may be left to write
    kBroken,   // it wrote what is not a frame
  };

  void OnReady();
  // At most `budget` bytes.
  void Read(size_t budget);
  void HandleFrames();
  void HandleFrame(absl::string_view body);
  void Write();
  ssize_t WriteSome(absl::string_view bytes);
  void Watch(int events);
  // Enough answers wait: no further request is handled until some are read.
  bool IsFull() const;
  // And enough requests behind them: not even read.
  bool IsStuck() const;

  base::UniqueFd fd_;
  base::UniqueFd replies_;  // invalid: fd_
  Peer peer_;
  ReportCollector* const collector_;
  Owner* const owner_;
  State state_ = State::kOpen;
  // The client cannot be answered any more, or need not.
  bool is_mute_ = false;
  FrameReader reader_;
  std::string output_;
  size_t written_ = 0;
  // Last: destroyed before the descriptors that they watch.
  loop::FdWatch watch_;
  std::unique_ptr<loop::FdWatch> replies_watch_;
};

}  // namespace vt::ipc
