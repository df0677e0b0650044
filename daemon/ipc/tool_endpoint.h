// SPDX-License-Identifier: Apache-2.0
//
// ToolEndpoint: the Unix socket of one action, through which tools inside it
// say what they read, wrote and cared about (proto/vtask/tool/v1/tool.proto,
// docs/TOOL_IPC.md). It collects; what it means is decided in run/. Beside the
// socket stand named pipes, for tools in sandboxes that deny sockets (D1).

#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"

#include "daemon/base/env_query.h"
#include "daemon/loop/event_loop.h"

namespace vt::ipc {

struct ToolOrigin {
  int pid = 0;  // of the connection's peer, as the kernel says
  // It came through pipes: the pid is what the client says.
  bool is_claimed = false;
  std::string argv0;
  std::string client;  // "node-addon/1"
  // The npm package whose program the process runs ("vite"); may be empty.
  std::string package;
  // Whole command line, cut at 256 bytes; of lingering clients only.
  std::string command;
};

struct PathReport {
  std::string path;  // absolute, as sent, never normalised
  ToolOrigin origin;
};
struct EnvReport {
  enum class Kind { kName, kGlob, kPrefix };
  Kind kind = Kind::kName;
  std::string text;      // name, pattern or prefix
  bool tracked = false;  // any tracked use wins over untracked ones
  ToolOrigin origin;
};
struct OptOut {
  std::string reason;
  std::string call_site;  // file:line of the JavaScript caller, if known
  ToolOrigin origin;
};
struct ValueReport {
  std::string key, value;
  ToolOrigin origin;
};

// All that was said to one endpoint.
struct ToolReports {
  std::vector<PathReport> ignored_inputs, ignored_outputs;
  std::vector<PathReport> tracked_inputs, tracked_outputs;
  std::vector<EnvReport> env;  // unique by (kind, text)
  std::vector<ValueReport> values;
  std::vector<OptOut> opt_outs;
  // A broken frame: the run is not stored; first one kept. Empty: none.
  std::string protocol_error;
  // Clients still connected when the drain's time was up, by pid.
  std::vector<ToolOrigin> lingering;
  // Refused requests and other oddities that did not end a connection, one
  // line each, for `-vv`. At most 100, then a line that counts the rest.
  std::vector<std::string> notes;
};

struct ToolEndpointOptions {
  // Private directory (0700) below the runtime directory; the socket is made in
  // it under a short unique name.
  std::string directory;
  // What getEnv answers from: the environment of the run before filtering, plus
  // prefix assignments (tool-ipc 4.3). Name to value, bytes.
  base::EnvMap env;
};

// Loop-bound.
class ToolEndpoint {
 public:
  // On the loop thread, as all that follows. `options.directory` must be
  // absolute and is created, with mode 0700, if it is missing.
  //
  // Errors: as bind(2) and listen(2), naming the socket; if sockets are denied
  // to us but pipes are not, tools reach it through those, and it is none.
  static absl::StatusOr<std::unique_ptr<ToolEndpoint>> Open(
      loop::EventLoop* loop, ToolEndpointOptions options);
  // Closes everything; a drain under way never calls back.
  virtual ~ToolEndpoint() = default;

  // Value of VP_RUN_IPC_NAME and VT_IPC: absolute path of the socket.
  virtual const std::string& name() const = 0;

  // After the main process has ended: stops accepting (the socket is unlinked),
  // reads what was written, waits for open connections to reach EOF for at most
  // `limit`, closes, and calls `done` once, from the loop (never from inside
  // this call). `done` may destroy the endpoint. Call it once.
  virtual void Drain(absl::Duration limit,
                     std::function<void(ToolReports)> done) = 0;
};

}  // namespace vt::ipc
