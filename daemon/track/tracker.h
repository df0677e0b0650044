// SPDX-License-Identifier: Apache-2.0
//
// Tracker watches one action by a seccomp filter with a user-notification
// listener (docs/TRACKING.md, shared/tracking.md). One tracer thread an action.

#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"

#include "daemon/base/digest.h"
#include "daemon/base/file_clock.h"
#include "daemon/base/unique_fd.h"
#include "daemon/exec/spawn.h"
#include "daemon/track/access_set.h"
#include "daemon/track/nested_changes.h"

namespace vt::track {

// How well this machine can track; decided once, by trying it.
struct Tier {
  // 1: all. 2: no synchronous wake-up (kernel before 6.6). 3: a descriptor
  // cannot be given together with the answer (before 5.14). 4: no tracking.
  int level = 4;
  std::string reason;  // why not 1, or why nothing can be signed
  // Calls can be signed, and processes given the arena: the accelerator works.
  bool can_sign = false;
  // SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV (5.19): a signal does not interrupt
  // a call that was heard.
  bool wait_killable = false;
};

// Spawns a child that makes a notified open, a signed one, and asks for the
// arena; reads its path. Blocking, about 5 ms. `forced` (VT_TRACK_TIER, 0:
// none) can only lower the answer.
Tier SelfTest(int forced);

struct TrackerOptions {
  Tier tier;
  // Digest of a regular file's content, as the cache takes it; called on the
  // tracer thread before a mutation is let through. nullopt: unreadable or too
  // large (over 16 MiB), which makes the action not stored.
  std::function<std::optional<base::Digest>(const std::string& path)> digest;
  // Paths below these directories are dropped: our own files (tool-ipc D11).
  std::vector<std::string> own_directories;
  // Only mutations and pre-states below this root matter for outputs; accesses
  // outside are reported as observed all the same.
  std::string workspace_root;
  // The preload library, absolute; empty: every call is notified. Whoever
  // spawns puts it into LD_PRELOAD (preload_env.h).
  std::string preload;
  // How much shared memory it may have, in chunks (arena_layout.h); 0: all
  // there can be.
  uint32_t arena_chunks = 0;
  // What a signed call of this action is known by; 0: Start draws one.
  uint64_t signature = 0;
  // See FilterOptions.
  bool strict = false;
  // Asked by Start and by Drain; another one in tests.
  std::function<base::FileClock()> file_clock = &base::ReadFileClock;
  // Unix sockets (path globs) that do not make the action "used a service".
  std::vector<std::string> allowed_services;
  // Our own sockets, and directories of them: what is said there we know. The
  // socket of another vtaskd is a service like any other.
  std::vector<std::string> own_services;
  // The daemon's own socket, one of own_services; see
  // AccessSet::daemon_callers.
  std::string daemon_socket;
  // Gives a duplicate of the listener to the keeper and waits until it has it;
  // called on the tracer thread before the first notification is answered.
  // Returns what takes it back at the end. May be null.
  std::function<std::function<void()>(int listener_fd)> entrust_listener;
  // Of the action that this one runs inside of; empty: none.
  ChangeSink enclosing;
};

// Thread-safe. The tracer thread lives until the last traced process is gone,
// also beyond this object (a daemonised grandchild keeps working).
class Tracker {
 public:
  // Makes the filter and starts the thread. RESOURCE_EXHAUSTED: no thread or
  // descriptor; UNIMPLEMENTED: tier 4.
  static absl::StatusOr<std::unique_ptr<Tracker>> Start(TrackerOptions options);
  virtual ~Tracker() = default;

  // Sets filter, filter_flags and listener_pipe of a spawn. Call once, then
  // exec::Spawn, then SpawnReturned.
  virtual void Prepare(exec::SpawnOptions* options) = 0;
  virtual void SpawnReturned(bool ok) = 0;

  // Where actions that run inside of this one tell what they change.
  virtual ChangeSink SinkForNested() = 0;

  // After the main process was reaped: waits until the last traced process is
  // gone, at most `idle` without a notification or `total` in all, then seals
  // the set and resolves it. What comes later is let through and not recorded.
  // Blocking: worker pool only. Call once.
  virtual AccessSet Drain(absl::Duration idle, absl::Duration total) = 0;
};

}  // namespace vt::track
