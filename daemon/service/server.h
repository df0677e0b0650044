// SPDX-License-Identifier: Apache-2.0
//
// Server puts a gRPC door on the Runner: accepts connections itself, checks who
// they are, hands them to gRPC, and translates calls into posts to the loop.

#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "absl/status/statusor.h"

#include "daemon/base/unique_fd.h"
#include "daemon/loop/event_loop.h"
#include "daemon/run/runner.h"
#include "daemon/settings/settings_file.h"

namespace vt::service {

struct ServerOptions {
  std::string version;  // "0.1.0"
  uint64_t build = 0;
  std::string socket_path;
  std::string cache_directory;
  std::string tracking_tier;                   // for StatusResponse
  settings::SettingsFile* settings = nullptr;  // outlives the server
  // Called on the loop when a newer client or Shutdown asks the daemon to go:
  // stop taking work at once, finish or (`now`) cancel what runs, then exit.
  std::function<void(bool now)> on_shutdown_requested;
  // Called on the loop whenever the number of connections changes.
  std::function<void(int connections)> on_connections;
  // Called on the loop whenever the number of Run calls changes that have begun
  // a run and not yet delivered its last byte. May be null.
  std::function<void(int run_calls)> on_run_calls;
  // Asked on the loop before a shim's run starts: whether this daemon should
  // make room for another one although no newer shim came (its cache directory
  // was removed, say). May be null.
  std::function<bool()> is_obsolete;
};

// Loop-bound, except for Stop.
class Server {
 public:
  // Serves on `listener`, a listening non-blocking Unix socket. `runner` and
  // `loop` outlive it.
  static absl::StatusOr<std::unique_ptr<Server>> Start(loop::EventLoop* loop,
                                                       run::Runner* runner,
                                                       base::UniqueFd listener,
                                                       ServerOptions options);

  // On the loop, after Stop.
  virtual ~Server() = default;

  // Takes no new connection and no new run; open calls go on. Who was waiting
  // in the listener's queue is still let in, and told to look elsewhere.
  virtual void StopAccepting() = 0;

  // Ends every call, within `deadline_ms`, also of clients that stopped reading
  // (shared/stack.md 2, trap B). Calls have half of that time to end by
  // themselves. Blocking; never on the loop. False: gRPC did not let go of a
  // call in time, and leaving the process is the only way left.
  virtual bool Stop(int deadline_ms) = 0;
};

}  // namespace vt::service
