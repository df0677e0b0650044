// SPDX-License-Identifier: Apache-2.0
//
// Execution runs one plan: its tasks as their dependencies end, the steps of
// each one after the other. A step that is a plan (a nested `vt run`) has an
// Execution of its own, with its own limit, below this one.

#pragma once

#include <functional>
#include <map>
#include <memory>
#include <vector>

#include "absl/strings/string_view.h"

#include "daemon/plan/plan.h"
#include "daemon/run/action.h"
#include "daemon/run/engine.h"
#include "daemon/run/scheduler.h"
#include "vtask/v1/daemon.pb.h"

namespace vt::run {

// What all levels of a run have in common: where their events go.
class RunStream {
 public:
  virtual ~RunStream() = default;
  // Numbers of actions count through the whole run.
  virtual uint32_t NextIndex() = 0;
  virtual void Emit(vtask::v1::RunEvent event) = 0;
  virtual void Execute(vtask::v1::RunResponse::Execute execute) = 0;
  // As ActionHost::RestsOn.
  virtual void RestsOn(KnownHitPtr hit) = 0;
};

// Loop-bound.
class Execution final : private ActionHost {
 public:
  struct Hooks {
    // Some task has failed, and this plan ends early for it. Others of its
    // tasks may still be ending; `on_done` follows.
    std::function<void()> on_failing;
    // Nothing of it runs any more. Posted; the object may be destroyed.
    std::function<void(ActionOutcome)> on_done;
  };

  // All but `chain` and `hooks` outlive this. `chain`: the tasks around it.
  Execution(Engine* engine, RunStream* stream, const CallerContext* context,
            const plan::Plan* plan, std::vector<plan::TaskFrame> chain,
            Hooks hooks);

  void Start();
  // Starts nothing more, and ends what runs (Action::Cancel).
  void Cancel(int signal);
  void SetPaused(bool paused);
  void Stdin(absl::string_view data, bool eof);
  void Executed(const vtask::v1::RunRequest::Executed& answer);

 private:
  // A task that is under way: at an action, or at a plan.
  struct RunningTask {
    size_t step = 0;
    uint32_t index = 0;  // of the action
    std::unique_ptr<Action> action;
    std::unique_ptr<Execution> plan;
  };

  void StartReady();
  void StartStep(int task, size_t step);
  void StartAction(const plan::PlannedTask& task, const plan::Step& step,
                   std::vector<plan::TaskFrame> chain, RunningTask* running);
  void AfterStep(int task, ActionOutcome outcome);
  // A task has failed; `ending` is one that ends by itself, -1: none.
  void Fail(int ending);
  void Stop(int signal, int spared);
  void MaybeFinish();

  // ActionHost:
  void Emit(vtask::v1::RunEvent event) override;
  void Execute(vtask::v1::RunResponse::Execute execute) override;
  void RestsOn(KnownHitPtr hit) override;
  void ActionDone(uint32_t index, ActionOutcome outcome,
                  int exit_code) override;

  Engine* const engine_;
  RunStream* const stream_;
  const CallerContext* const context_;
  const plan::Plan* const plan_;
  const std::vector<plan::TaskFrame> chain_;
  const Hooks hooks_;
  Scheduler scheduler_;
  std::map<int, RunningTask> running_;  // by task
  bool paused_ = false;
  bool cancelled_ = false;
  bool failed_ = false;
  bool done_ = false;
};

}  // namespace vt::run
