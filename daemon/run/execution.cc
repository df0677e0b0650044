// SPDX-License-Identifier: Apache-2.0

#include "daemon/run/execution.h"

#include <algorithm>
#include <csignal>
#include <cstdint>
#include <string>
#include <utility>

#include "daemon/run/planning.h"

namespace vt::run {
namespace {

std::vector<std::vector<int>> DependenciesOf(const plan::Plan& plan) {
  std::vector<std::vector<int>> depends_on;
  for (const plan::PlannedTask& task : plan.tasks) {
    depends_on.push_back(task.depends_on);
  }
  return depends_on;
}

// By what its steps took when their last results were made; in us, 0: none of
// them is known. A plan in it takes as long as its tasks would take if there
// were always as many at once as it allows.
int64_t CostOf(const plan::PlannedTask& task, const std::string& root,
               cache::ActionCache* cache) {
  int64_t cost = 0;
  for (const plan::Step& step : task.steps) {
    if (step.kind == plan::Step::Kind::kNested) {
      int64_t all = 0;
      for (const plan::PlannedTask& inner : step.nested->tasks) {
        all += CostOf(inner, root, cache);
      }
      cost += all / std::max(1, step.nested->concurrency);
    } else if (step.cached) {
      cost +=
          absl::ToInt64Microseconds(cache->LastDuration(root, step.position));
    }
  }
  return cost;
}

std::vector<int64_t> CostsOf(const plan::Plan& plan, const std::string& root,
                             cache::ActionCache* cache) {
  std::vector<int64_t> costs;
  // Else there is no choice to make.
  if (cache != nullptr && plan.concurrency != 0 &&
      plan.tasks.size() > static_cast<size_t>(plan.concurrency)) {
    for (const plan::PlannedTask& task : plan.tasks) {
      costs.push_back(CostOf(task, root, cache));
    }
  }
  return costs;
}

}  // namespace

Execution::Execution(Engine* engine, RunStream* stream,
                     const CallerContext* context, const plan::Plan* plan,
                     std::vector<plan::TaskFrame> chain, Hooks hooks)
    : engine_(engine),
      stream_(stream),
      context_(context),
      plan_(plan),
      chain_(std::move(chain)),
      hooks_(std::move(hooks)),
      scheduler_(DependenciesOf(*plan), plan->concurrency,
                 CostsOf(*plan, context->root, engine->cache)) {}

void Execution::Start() {
  StartReady();
  MaybeFinish();
}

void Execution::StartReady() {
  // A task without steps is done as it starts, which may free others.
  for (std::vector<int> ready = scheduler_.TakeReady(); !ready.empty();
       ready = scheduler_.TakeReady()) {
    for (const int task : ready) {
      if (plan_->tasks[static_cast<size_t>(task)].steps.empty()) {
        scheduler_.Succeeded(task);
      } else {
        StartStep(task, 0);
      }
    }
  }
}

void Execution::StartStep(int task, size_t step) {
  const plan::PlannedTask& planned = plan_->tasks[static_cast<size_t>(task)];
  const plan::Step& planned_step = planned.steps[step];
  std::vector<plan::TaskFrame> chain = chain_;
  chain.push_back({context_->root, planned.package_path, planned.name,
                   planned.label, plan_->query});
  RunningTask& running = running_[task];
  running.step = step;
  if (planned_step.kind != plan::Step::Kind::kNested) {
    StartAction(planned, planned_step, std::move(chain), &running);
    return;
  }
  Hooks hooks;
  hooks.on_failing = [this, task] { Fail(task); };
  hooks.on_done = [this, task](ActionOutcome outcome) {
    AfterStep(task, outcome);
  };
  running.plan = std::make_unique<Execution>(
      engine_, stream_, context_, planned_step.nested.get(), std::move(chain),
      std::move(hooks));
  running.plan->SetPaused(paused_);
  running.plan->Start();
}

void Execution::StartAction(const plan::PlannedTask& task,
                            const plan::Step& step,
                            std::vector<plan::TaskFrame> chain,
                            RunningTask* running) {
  vtask::v1::ActionRef ref = RefOf(task, step, stream_->NextIndex());
  running->index = ref.index();
  running->action = Action::Create(engine_, this, context_, &step,
                                   std::move(chain), std::move(ref));
  running->action->Start();
  running->action->SetPaused(paused_);
}

void Execution::ActionDone(uint32_t index, ActionOutcome outcome,
                           int /*exit_code*/) {
  // Posted: the action is still on the stack, and may be in its own Start.
  engine_->loop->Post([this, index, outcome] {
    for (const auto& [task, running] : running_) {
      if (running.action != nullptr && running.index == index) {
        AfterStep(task, outcome);
        return;
      }
    }
  });
}

void Execution::AfterStep(int task, ActionOutcome outcome) {
  const auto found = running_.find(task);
  const size_t next = found->second.step + 1;
  running_.erase(found);
  if (outcome != ActionOutcome::kSucceeded || cancelled_) {
    scheduler_.Failed(task);
    if (outcome == ActionOutcome::kFailed) {
      Fail(/*ending=*/-1);
    }
  } else if (next < plan_->tasks[static_cast<size_t>(task)].steps.size()) {
    StartStep(task, next);
  } else {
    scheduler_.Succeeded(task);
  }
  StartReady();
  MaybeFinish();
}

void Execution::Fail(int ending) {
  failed_ = true;
  if (!plan_->fail_fast || cancelled_) {
    return;
  }
  // What runs beside it ends, too.
  Stop(SIGTERM, ending);
  if (hooks_.on_failing) {
    hooks_.on_failing();
  }
}

void Execution::Cancel(int signal) {
  Stop(signal, /*spared=*/-1);
  MaybeFinish();
}

void Execution::Stop(int signal, int spared) {
  cancelled_ = true;
  scheduler_.Stop();
  for (auto& [task, running] : running_) {
    if (task == spared) {
      continue;
    }
    if (running.action != nullptr) {
      running.action->Cancel(signal);
    } else {
      running.plan->Cancel(signal);
    }
  }
}

void Execution::MaybeFinish() {
  if (done_ || !scheduler_.is_finished() || !running_.empty()) {
    return;
  }
  done_ = true;
  const ActionOutcome outcome = failed_      ? ActionOutcome::kFailed
                                : cancelled_ ? ActionOutcome::kCancelled
                                             : ActionOutcome::kSucceeded;
  // A copy: the call may destroy this object.
  engine_->loop->Post(
      [on_done = hooks_.on_done, outcome] { on_done(outcome); });
}

void Execution::SetPaused(bool paused) {
  paused_ = paused;
  for (auto& [task, running] : running_) {
    if (running.action != nullptr) {
      running.action->SetPaused(paused);
    } else {
      running.plan->SetPaused(paused);
    }
  }
}

void Execution::Stdin(absl::string_view data, bool eof) {
  for (auto& [task, running] : running_) {
    if (running.action != nullptr) {
      running.action->Stdin(data, eof);
    } else {
      running.plan->Stdin(data, eof);
    }
  }
}

void Execution::Executed(const vtask::v1::RunRequest::Executed& answer) {
  for (auto& [task, running] : running_) {
    if (running.plan != nullptr) {
      running.plan->Executed(answer);
    } else if (running.index == answer.id()) {
      running.action->Executed(answer);
    }
  }
}

void Execution::Emit(vtask::v1::RunEvent event) {
  stream_->Emit(std::move(event));
}

void Execution::RestsOn(KnownHitPtr hit) { stream_->RestsOn(std::move(hit)); }

void Execution::Execute(vtask::v1::RunResponse::Execute execute) {
  stream_->Execute(std::move(execute));
}

}  // namespace vt::run
