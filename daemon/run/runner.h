// SPDX-License-Identifier: Apache-2.0
//
// Runner: everything `vt` can ask of the daemon, without gRPC. service/ puts a
// door on it. It owns every run that is under way.

#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"

#include "daemon/cache/action_cache.h"
#include "daemon/loop/event_loop.h"
#include "daemon/loop/worker_pool.h"
#include "daemon/settings/settings_file.h"
#include "daemon/track/tracker.h"
#include "daemon/watch/watcher.h"
#include "vtask/v1/daemon.pb.h"

namespace vt::run {

// How one run talks to its caller. Called on the loop thread only.
class RunSink {
 public:
  virtual ~RunSink() = default;
  // Takes one message. Never blocks; queues.
  virtual void Send(vtask::v1::RunResponse response) = 0;
  // The last word: `exit` was sent; nothing follows.
  virtual void Finish() = 0;
  // The queue is over its bound: stop producing until SinkDrained.
  virtual bool is_congested() const = 0;
};

using RunId = uint64_t;

struct RunnerOptions {
  std::string runtime_directory;  // ours alone or not; never an input
  std::string socket_path;        // of this daemon
  std::string cache_directory;    // how a nested `vt` finds this daemon
  std::string tool_directory;     // tool endpoints; emptied by Create
  std::string state_directory;    // last runs, for --last-details
  std::string tool_addon;         // absolute path of the .node, may be ""
  std::string schema_directory;   // absolute; where docs/schema is installed
  std::string config_loader;      // absolute path of config_loader.mjs
  // Null: every run looks at every file. Outlives the Runner.
  watch::Watcher* watcher = nullptr;
  track::Tier tier;
  settings::SettingsFile* settings = nullptr;  // outlives the runner
  // How LD_PRELOAD names the library that makes tracking cheap; may be "".
  std::string preload;
  // See track::TrackerOptions::entrust_listener. May be null.
  std::function<std::function<void()>(int listener_fd)> entrust_listener;
};

// Loop-bound, but for its factory. Callbacks run on the loop.
class Runner {
 public:
  // `cache` may be null: everything runs uncached, and says why
  // (`cache_error`).
  static std::unique_ptr<Runner> Create(loop::EventLoop* loop,
                                        loop::WorkerPool* workers,
                                        cache::ActionCache* cache,
                                        std::string cache_error,
                                        RunnerOptions options);
  virtual ~Runner() = default;

  // Starts a run. `sink` must live until its Finish was called or Cancel(id)
  // has been followed by Finish.
  virtual RunId Start(vtask::v1::RunStart start, RunSink* sink) = 0;
  // Requests after the first; unknown ids are ignored.
  virtual void Signal(RunId id, int number) = 0;
  virtual void Stdin(RunId id, std::string data, bool eof) = 0;
  virtual void Executed(RunId id,
                        const vtask::v1::RunRequest::Executed& answer) = 0;
  virtual void Resized(RunId id, const vtask::v1::Terminal& terminal) = 0;
  virtual void FileOpened(RunId id, const std::string& error) = 0;
  virtual void SinkDrained(RunId id) = 0;
  // The caller is gone: ends every process of the run. Finish follows.
  virtual void Cancel(RunId id) = 0;

  virtual void Plan(
      vtask::v1::PlanRequest request,
      std::function<void(absl::StatusOr<vtask::v1::PlanResponse>)> done) = 0;
  virtual void ListTasks(
      vtask::v1::ListTasksRequest request,
      std::function<void(absl::StatusOr<vtask::v1::ListTasksResponse>)>
          done) = 0;

  virtual void Complete(
      vtask::v1::CompleteRequest request,
      std::function<void(absl::StatusOr<vtask::v1::CompleteResponse>)>
          done) = 0;

  // Calls `on_event` for every event until Unsubscribe.
  using SubscriberId = uint64_t;
  virtual SubscriberId Subscribe(
      vtask::v1::SubscribeRequest request,
      std::function<void(const vtask::v1::RunEvent&)> on_event) = 0;
  virtual void Unsubscribe(SubscriberId id) = 0;

  virtual std::vector<vtask::v1::RunInfo> Running() const = 0;
  // Problems for StatusResponse.health.
  virtual std::vector<std::string> Health() const = 0;
  struct Freshness {
    uint64_t watches = 0;
    uint64_t known_runs = 0;  // answered without looking at a file
  };
  virtual Freshness freshness() const { return {}; }
  // Stops storing (the cache is being closed); with `cancel` ends all runs.
  virtual void Drain(bool cancel) = 0;
  // Called when the last run has finished, and again whenever that happens.
  virtual void OnIdle(std::function<void()> callback) = 0;
};

}  // namespace vt::run
