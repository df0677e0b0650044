// SPDX-License-Identifier: Apache-2.0

#include "daemon/run/runner.h"

#include <filesystem>
#include <map>
#include <system_error>
#include <utility>

#include "daemon/run/engine.h"
#include "daemon/run/planning.h"
#include "daemon/run/session.h"

namespace vt::run {
namespace {

class RunnerImpl final : public Runner {
 public:
  explicit RunnerImpl(Engine engine) : engine_(std::move(engine)) {}

  RunId Start(vtask::v1::RunStart start, RunSink* sink) override {
    const RunId id = next_run_++;
    Session::Hooks hooks;
    hooks.on_event = [this](const Session& session,
                            const vtask::v1::RunEvent& event) {
      Publish(session, event);
    };
    hooks.on_done = [this](RunId done) { Forget(done); };
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
    engine_.workers->Run(
        [request = std::move(request), cache = engine_.cache] {
          return AnswerPlan(request, cache);
        },
        std::move(done));
  }
  void ListTasks(
      vtask::v1::ListTasksRequest request,
      std::function<void(absl::StatusOr<vtask::v1::ListTasksResponse>)> done)
      override {
    engine_.workers->Run(
        [request = std::move(request)] { return AnswerListTasks(request); },
        std::move(done));
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
    if (engine_.options.tier.level > 3) {
      problems.push_back(engine_.options.tier.reason);
    }
    return problems;
  }

  void Drain(bool cancel) override {
    engine_.draining = true;
    if (cancel) {
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
    if (sessions_.empty() && on_idle_) {
      on_idle_();
    }
  }

  Engine engine_;
  std::map<RunId, std::unique_ptr<Session>> sessions_;
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
