// SPDX-License-Identifier: Apache-2.0
//
// FakeRunner: a runner whose runs do what argv[1] says. Header only, so that a
// client test can also be run against a daemon made of it.
//
//   echo WORDS   writes them and exits 0
//   file NAME    has the client open it, writes 200000 bytes, exits 0 (or 1)
//   hang         runs until it is cancelled or signalled
//   flood BYTES  writes so much, as fast as the sink takes it
//   stubborn     never finishes, not even when cancelled

#pragma once

#include <algorithm>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/numbers.h"

#include "daemon/run/runner.h"

namespace vt::service {

// Loop-bound.
class FakeRunner final : public run::Runner {
 public:
  run::RunId Start(vtask::v1::RunStart start, run::RunSink* sink) override {
    const run::RunId id = ++last_id_;
    started_.push_back(start);
    Run& run = runs_[id];
    run.sink = sink;
    const std::string verb = start.argv_size() > 1 ? start.argv(1) : "";
    run.info.set_run_id(id);
    for (const std::string& arg : start.argv()) {
      run.info.add_argv(arg);
    }
    if (verb == "echo") {
      for (int i = 2; i < start.argv_size(); ++i) {
        vtask::v1::RunResponse response;
        response.set_stdout(start.argv(i));
        sink->Send(std::move(response));
      }
      End(id, 0);
    } else if (verb == "file") {
      vtask::v1::RunResponse response;
      response.set_open_file(start.argv(2));
      sink->Send(std::move(response));
    } else if (verb == "flood") {
      static_cast<void>(absl::SimpleAtoi(start.argv(2), &run.left));
      Pour(id);
    } else if (verb == "stubborn") {
      run.stubborn = true;
    }
    return id;
  }
  void Signal(run::RunId id, int number) override {
    signals_.push_back(number);
    End(id, 128 + number);
  }
  void Stdin(run::RunId id, std::string data, bool eof) override {
    stdin_ += data;
    if (eof) {
      End(id, 0);
    }
  }
  void Executed(run::RunId /*id*/,
                const vtask::v1::RunRequest::Executed& answer) override {
    executed_.push_back(answer);
  }
  void Resized(run::RunId, const vtask::v1::Terminal& terminal) override {
    columns_ = static_cast<int>(terminal.columns());
  }
  void FileOpened(run::RunId id, const std::string& error) override {
    if (error.empty()) {
      vtask::v1::RunResponse response;
      response.set_file(std::string(200000, 'f'));
      runs_[id].sink->Send(std::move(response));
    }
    End(id, error.empty() ? 0 : 1);
  }
  void SinkDrained(run::RunId id) override {
    ++drained_;
    Pour(id);
  }
  void Cancel(run::RunId id) override {
    ++cancelled_;
    if (runs_.count(id) != 0 && !runs_[id].stubborn) {
      End(id, 130);
    }
  }
  void Plan(vtask::v1::PlanRequest request,
            std::function<void(absl::StatusOr<vtask::v1::PlanResponse>)> done)
      override {
    if (request.argv_size() > 0 && request.argv(0) == "never") {
      plans_.push_back(std::move(done));
      return;
    }
    done(absl::NotFoundError("task `x` not found: \xC3\xA9 100%"));
  }
  void ListTasks(
      vtask::v1::ListTasksRequest request,
      std::function<void(absl::StatusOr<vtask::v1::ListTasksResponse>)> done)
      override {
    vtask::v1::ListTasksResponse response;
    response.set_workspace_root(request.caller().cwd());
    response.add_tasks()->set_name("build");
    done(std::move(response));
  }
  void Complete(
      vtask::v1::CompleteRequest request,
      std::function<void(absl::StatusOr<vtask::v1::CompleteResponse>)> done)
      override {
    vtask::v1::CompleteResponse response;
    for (const std::string& word : request.words()) {
      response.add_candidates()->set_value(word);
    }
    done(std::move(response));
  }
  SubscriberId Subscribe(
      vtask::v1::SubscribeRequest /*request*/,
      std::function<void(const vtask::v1::RunEvent&)> on_event) override {
    subscribers_[++last_subscriber_] = std::move(on_event);
    return last_subscriber_;
  }
  void Unsubscribe(SubscriberId id) override { subscribers_.erase(id); }
  std::vector<vtask::v1::RunInfo> Running() const override {
    std::vector<vtask::v1::RunInfo> infos;
    for (const auto& [id, run] : runs_) {
      infos.push_back(run.info);
    }
    return infos;
  }
  std::vector<std::string> Health() const override { return {"a fake"}; }
  void Drain(bool cancel) override {
    if (!cancel) {
      return;
    }
    std::vector<run::RunId> ids;
    for (const auto& [id, run] : runs_) {
      ids.push_back(id);
    }
    for (const run::RunId id : ids) {
      Cancel(id);
    }
  }
  void OnIdle(std::function<void()> callback) override {
    on_idle_ = std::move(callback);
  }

  // For tests, on the loop.
  void Publish(const vtask::v1::RunEvent& event) {
    for (const auto& [id, on_event] : subscribers_) {
      on_event(event);
    }
  }
  void End(run::RunId id, int code) {
    const auto it = runs_.find(id);
    if (it == runs_.end()) {
      return;
    }
    run::RunSink* sink = it->second.sink;
    runs_.erase(it);
    vtask::v1::RunResponse response;
    response.mutable_exit()->set_code(code);
    sink->Send(std::move(response));
    sink->Finish();
    if (runs_.empty() && on_idle_ != nullptr) {
      on_idle_();
    }
  }

  // A flood that waits for its sink.
  bool is_paused() const {
    return std::any_of(runs_.begin(), runs_.end(), [](const auto& entry) {
      return entry.second.left > 0 && entry.second.sink->is_congested();
    });
  }
  void EndAll() {
    while (!runs_.empty()) {
      End(runs_.begin()->first, 1);
    }
  }

  std::vector<vtask::v1::RunStart> started_;
  std::vector<int> signals_;
  std::vector<vtask::v1::RunRequest::Executed> executed_;
  std::string stdin_;
  uint64_t poured_ = 0;
  int columns_ = 0;  // as of the last Resized
  int drained_ = 0;
  int cancelled_ = 0;
  bool has_plans() const { return !plans_.empty(); }
  size_t subscriber_count() const { return subscribers_.size(); }

 private:
  struct Run {
    run::RunSink* sink = nullptr;
    uint64_t left = 0;
    bool stubborn = false;
    vtask::v1::RunInfo info;
  };

  // Produces until the sink is congested, as a task's pipe is paused.
  void Pour(run::RunId id) {
    const auto it = runs_.find(id);
    if (it == runs_.end() || it->second.left == 0) {
      return;
    }
    Run& run = it->second;
    while (run.left > 0 && !run.sink->is_congested()) {
      const uint64_t piece = std::min<uint64_t>(run.left, 100000);
      vtask::v1::RunResponse response;
      response.set_stdout(std::string(piece, 'x'));
      run.left -= piece;
      poured_ += piece;
      run.sink->Send(std::move(response));
    }
    if (run.left == 0) {
      End(id, 0);
    }
  }

  run::RunId last_id_ = 0;
  std::map<run::RunId, Run> runs_;
  SubscriberId last_subscriber_ = 0;
  std::map<SubscriberId, std::function<void(const vtask::v1::RunEvent&)>>
      subscribers_;
  std::vector<std::function<void(absl::StatusOr<vtask::v1::PlanResponse>)>>
      plans_;
  std::function<void()> on_idle_;
};

}  // namespace vt::service
