// SPDX-License-Identifier: Apache-2.0
//
// Session: one command line, from its start to its exit code, and what its
// caller sees meanwhile. Most are `vt run`: plan, schedule, stream of events.

#pragma once

#include <functional>
#include <memory>
#include <string>

#include "absl/strings/string_view.h"

#include "daemon/run/engine.h"
#include "daemon/run/runner.h"
#include "vtask/v1/daemon.pb.h"

namespace vt::run {

// Loop-bound.
class Session {
 public:
  struct Hooks {
    // Every event, stamped, for subscribers.
    std::function<void(const Session&, const vtask::v1::RunEvent&)> on_event;
    // Whether anybody would hear on_event.
    std::function<bool()> is_observed;
    // The sink has had its Finish; the session may be destroyed after return.
    std::function<void(RunId)> on_done;
  };

  static std::unique_ptr<Session> Create(RunId id, Engine* engine,
                                         vtask::v1::RunStart start,
                                         RunSink* sink, Hooks hooks);
  virtual ~Session() = default;

  virtual void Start() = 0;
  virtual void Signal(int number) = 0;
  virtual void Stdin(absl::string_view data, bool eof) = 0;
  // The caller's window has another size, or must be drawn anew.
  virtual void Resized(const vtask::v1::Terminal& terminal) = 0;
  virtual void Executed(const vtask::v1::RunRequest::Executed& answer) = 0;
  // Whether the caller could open the file it was asked to; "" if so.
  virtual void FileOpened(const std::string& error) = 0;
  virtual void SinkDrained() = 0;
  // The caller has gone: SIGTERM to everything, SIGKILL a second later.
  virtual void CallerGone() = 0;

  virtual vtask::v1::RunInfo info() const = 0;
  // Empty until it is known.
  virtual const std::string& workspace_root() const = 0;
};

}  // namespace vt::run
