// SPDX-License-Identifier: Apache-2.0

#include "daemon/run/runner.h"

#include <csignal>
#include <filesystem>
#include <map>
#include <system_error>
#include <utility>

#include "absl/time/clock.h"
#include "absl/time/time.h"

#include "daemon/loop/fd_watch.h"
#include "daemon/run/caller.h"
#include "daemon/run/config_load.h"
#include "daemon/run/engine.h"
#include "daemon/run/housekeeping.h"
#include "daemon/run/planning.h"
#include "daemon/run/run_log.h"
#include "daemon/run/session.h"

namespace vt::run {
namespace {

// A guess: a coffee, not a night.
constexpr absl::Duration kKeepKnown = absl::Minutes(30);

class RunnerImpl final : public Runner {
 public:
  explicit RunnerImpl(Engine engine)
      : engine_(std::move(engine)),
        housekeeping_(
            engine_.loop, engine_.cache, engine_.options.watcher,
            [this] { return LimitsNow(); }, RunsDirectory(engine_)),
        run_log_(engine_.loop, RunsDirectory(engine_)) {
    engine_.housekeeping = &housekeeping_;
    engine_.run_log = &run_log_;
  }

  RunId Start(vtask::v1::RunStart start, RunSink* sink) override {
    const RunId id = next_run_++;
    Session::Hooks hooks;
    hooks.on_event = [this](const Session& session,
                            const vtask::v1::RunEvent& event) {
      Publish(session, event);
    };
    hooks.is_observed = [this] { return !subscribers_.empty(); };
    hooks.on_done = [this](RunId done) { Forget(done); };
    housekeeping_.SetBusy(true);
    drop_known_.reset();
    engine_.known.Refresh(absl::Now());
    Session* session =
        (sessions_[id] = Session::Create(id, &engine_, std::move(start), sink,
                                         std::move(hooks)))
            .get();
    // Not from inside this call: the caller must know the id first.
    engine_.loop->Post([session] { session->Start(); });
    return id;
  }

  void Signal(RunId id, int number) override {
    if (Session* session = Find(id)) {
      session->Signal(number);
    }
  }
  void Stdin(RunId id, std::string data, bool eof) override {
    if (Session* session = Find(id)) {
      session->Stdin(data, eof);
    }
  }
  void Executed(RunId id,
                const vtask::v1::RunRequest::Executed& answer) override {
    if (Session* session = Find(id)) {
      session->Executed(answer);
    }
  }
  void Resized(RunId id, const vtask::v1::Terminal& terminal) override {
    if (Session* session = Find(id)) {
      session->Resized(terminal);
    }
  }
  void FileOpened(RunId id, const std::string& error) override {
    if (Session* session = Find(id)) {
      session->FileOpened(error);
    }
  }
  void SinkDrained(RunId id) override {
    if (Session* session = Find(id)) {
      session->SinkDrained();
    }
  }
  void Cancel(RunId id) override {
    if (Session* session = Find(id)) {
      session->CallerGone();
    }
  }

  void Plan(vtask::v1::PlanRequest request,
            std::function<void(absl::StatusOr<vtask::v1::PlanResponse>)> done)
      override {
    const vtask::v1::Caller caller = request.caller();
    WithWorkspace(
        caller,
        [request = std::move(request),
         cache = engine_.cache](const LoadedWorkspace& loaded) {
          return AnswerPlan(loaded.workspace, loaded.settings, request, cache);
        },
        std::move(done));
  }
  void ListTasks(
      vtask::v1::ListTasksRequest request,
      std::function<void(absl::StatusOr<vtask::v1::ListTasksResponse>)> done)
      override {
    const vtask::v1::Caller caller = request.caller();
    WithWorkspace(
        caller,
        [request = std::move(request)](const LoadedWorkspace& loaded) {
          return AnswerListTasks(loaded.workspace, request);
        },
        std::move(done));
  }

  void Complete(vtask::v1::CompleteRequest request,
                std::function<void(absl::StatusOr<vtask::v1::CompleteResponse>)>
                    done) override {
    // Flags and commands need no look at the disk.
    bool asked_workspace = false;
    vtask::v1::CompleteResponse known =
        AnswerComplete(nullptr, request, &asked_workspace);
    if (!asked_workspace) {
      done(std::move(known));
      return;
    }
    const vtask::v1::Caller caller = request.caller();
    WithWorkspace(
        caller,
        [request = std::move(request)](const LoadedWorkspace& loaded)
            -> absl::StatusOr<vtask::v1::CompleteResponse> {
          return AnswerComplete(loaded.workspace, request, nullptr);
        },
        // A workspace that cannot be read is none.
        [known = std::move(known), done = std::move(done)](
            absl::StatusOr<vtask::v1::CompleteResponse> found) {
          done(found.ok() ? std::move(found) : known);
        });
  }

  SubscriberId Subscribe(
      vtask::v1::SubscribeRequest request,
      std::function<void(const vtask::v1::RunEvent&)> on_event) override {
    const SubscriberId id = next_subscriber_++;
    subscribers_[id] = {std::move(request), std::move(on_event)};
    return id;
  }
  void Unsubscribe(SubscriberId id) override { subscribers_.erase(id); }

  std::vector<vtask::v1::RunInfo> Running() const override {
    std::vector<vtask::v1::RunInfo> runs;
    for (const auto& [id, session] : sessions_) {
      runs.push_back(session->info());
    }
    return runs;
  }

  std::vector<std::string> Health() const override {
    std::vector<std::string> problems;
    if (engine_.cache == nullptr) {
      problems.push_back(engine_.cache_error);
    } else if (std::string health = engine_.cache->health(); !health.empty()) {
      problems.push_back(std::move(health));
    }
    if (const absl::Status fault = engine_.options.settings->problem();
        !fault.ok()) {
      problems.emplace_back(fault.message());
    }
    if (engine_.options.tier.level > 3) {
      problems.push_back(engine_.options.tier.reason);
    }
    return problems;
  }

  Freshness freshness() const override {
    const watch::Watcher* watcher = engine_.options.watcher;
    return {watcher == nullptr ? 0 : watcher->watches(),
            engine_.known.answered_runs};
  }

  void Drain(bool cancel) override {
    engine_.draining = true;
    if (cancel) {
      for (auto& [id, load] : loads_) {
        load->Cancel(SIGTERM);
      }
      for (auto& [id, session] : sessions_) {
        session->CallerGone();
      }
    }
  }

  void OnIdle(std::function<void()> callback) override {
    on_idle_ = std::move(callback);
  }

 private:
  struct Subscriber {
    vtask::v1::SubscribeRequest request;
    std::function<void(const vtask::v1::RunEvent&)> on_event;
  };

  // Loads the caller's workspace, then calls `answer` on a worker and `done`
  // with what it says.
  template <typename Answer, typename Done>
  void WithWorkspace(const vtask::v1::Caller& caller, Answer answer,
                     Done done) {
    const uint64_t id = next_load_++;
    ConfigLoad::Hooks hooks;
    hooks.on_done =
        [this, id, answer = std::move(answer),
         done = std::move(done)](absl::StatusOr<LoadedWorkspace> loaded) {
          loads_.erase(id);
          if (!loaded.ok()) {
            done(loaded.status());
            return;
          }
          engine_.workers->Run(
              [answer, loaded = *std::move(loaded)] { return answer(loaded); },
              done);
        };
    loads_[id] = ConfigLoad::Start(&engine_, FactsOf(caller), ContextOf(caller),
                                   std::move(hooks));
  }

  Session* Find(RunId id) {
    const auto found = sessions_.find(id);
    return found == sessions_.end() ? nullptr : found->second.get();
  }

  void Publish(const Session& session, const vtask::v1::RunEvent& event) {
    for (const auto& [id, subscriber] : subscribers_) {
      const vtask::v1::SubscribeRequest& request = subscriber.request;
      const bool wanted_root =
          request.workspace_root().empty() ||
          request.workspace_root() == session.workspace_root();
      if (wanted_root &&
          (request.include_output() || !event.has_action_output())) {
        subscriber.on_event(event);
      }
    }
  }

  void Forget(RunId id) {
    sessions_.erase(id);
    if (!sessions_.empty()) {
      return;
    }
    housekeeping_.SetBusy(false);
    if (engine_.options.watcher != nullptr) {
      drop_known_ = std::make_unique<loop::Timer>(engine_.loop, kKeepKnown,
                                                  [this] { DropKnown(); });
    }
    if (on_idle_) {
      on_idle_();
    }
  }

  cache::Limits LimitsNow() const {
    const settings::Settings now = engine_.options.settings->Last();
    return {now.cache_max_size, now.cache_max_age};
  }

  // Nobody has run anything for long: files that change wake us no more.
  void DropKnown() {
    engine_.known.Clear();
    engine_.options.watcher->Sweep();
  }

  Engine engine_;
  Housekeeping housekeeping_;
  RunLog run_log_;
  // While nothing runs.
  std::unique_ptr<loop::Timer> drop_known_;
  std::map<RunId, std::unique_ptr<Session>> sessions_;
  // Workspaces being loaded for calls that are no runs.
  std::map<uint64_t, std::unique_ptr<ConfigLoad>> loads_;
  uint64_t next_load_ = 1;
  std::map<SubscriberId, Subscriber> subscribers_;
  RunId next_run_ = 1;
  SubscriberId next_subscriber_ = 1;
  std::function<void()> on_idle_;
};

}  // namespace

std::unique_ptr<Runner> Runner::Create(loop::EventLoop* loop,
                                       loop::WorkerPool* workers,
                                       cache::ActionCache* cache,
                                       std::string cache_error,
                                       RunnerOptions options) {
  Engine engine;
  engine.loop = loop;
  engine.workers = workers;
  engine.cache = cache;
  engine.cache_error = std::move(cache_error);
  engine.options = std::move(options);
  // What a daemon that was killed has left: its endpoints.
  std::error_code ignored;
  std::filesystem::remove_all(engine.options.tool_directory, ignored);
  return std::make_unique<RunnerImpl>(std::move(engine));
}

}  // namespace vt::run
