// SPDX-License-Identifier: Apache-2.0

#include "daemon/run/session.h"

#include <csignal>
#include <map>
#include <optional>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"

#include "daemon/base/path.h"
#include "daemon/base/version.h"
#include "daemon/history/last_run.h"
#include "daemon/loop/fd_watch.h"
#include "daemon/plan/command_line.h"
#include "daemon/plan/plan.h"
#include "daemon/report/renderer.h"
#include "daemon/run/action.h"
#include "daemon/run/caller.h"
#include "daemon/run/planning.h"
#include "daemon/run/scheduler.h"

namespace vt::run {
namespace {

using vtask::v1::ActionStarted;
using vtask::v1::Notice;
using vtask::v1::RunEvent;
using vtask::v1::RunResponse;

class SessionImpl final : public Session, private ActionHost {
 public:
  SessionImpl(RunId id, Engine* engine, vtask::v1::RunStart start,
              RunSink* sink, Hooks hooks)
      : id_(id),
        engine_(engine),
        start_(std::move(start)),
        sink_(sink),
        hooks_(std::move(hooks)),
        facts_(FactsOf(start_.caller())),
        context_(ContextOf(start_)) {}

  void Start() override;
  void Signal(int number) override;
  void Stdin(absl::string_view data, bool eof) override;
  void Executed(const vtask::v1::RunRequest::Executed& answer) override;
  void SinkDrained() override { SetPaused(false); }
  void CallerGone() override;
  vtask::v1::RunInfo info() const override;
  const std::string& workspace_root() const override { return root_; }

 private:
  // A task of the plan that is under way.
  struct RunningTask {
    int task = 0;
    size_t step = 0;
    std::unique_ptr<Action> action;
  };

  void StartRun(plan::RunFlags flags);
  void OnPlanned(absl::StatusOr<PlannedRun> planned);
  void StartReady();
  void StartStep(int task, size_t step);
  void CancelAll(int signal);
  void SetPaused(bool paused);
  void MaybeFinish();
  void End(int exit_code);
  void Write(bool is_stderr, std::string bytes);
  void FailPlanning(const absl::Status& status);
  absl::Status PruneEnclosing();
  TaskFrame FrameOf(const plan::PlannedTask& task) const;
  std::string EnvOf(const std::string& name) const {
    const auto found = facts_.env.find(name);
    return found == facts_.env.end() ? "" : found->second;
  }
  std::string LastRuns() const {
    return base::JoinPath(engine_->options.state_directory, "last-runs");
  }

  // ActionHost:
  void Emit(RunEvent event) override;
  void Execute(RunResponse::Execute execute) override;
  void ActionDone(uint32_t index, ActionOutcome outcome,
                  int exit_code) override;
  void AfterAction(uint32_t index, ActionOutcome outcome, int exit_code);

  const RunId id_;
  Engine* const engine_;
  const vtask::v1::RunStart start_;
  RunSink* const sink_;
  const Hooks hooks_;
  const plan::CallerFacts facts_;
  CallerContext context_;
  const absl::Time started_ = absl::Now();

  plan::RunFlags flags_;
  std::unique_ptr<report::Renderer> renderer_;
  std::string root_;
  plan::Plan plan_;
  std::optional<Scheduler> scheduler_;
  std::map<uint32_t, RunningTask> running_;  // by action index
  uint32_t next_index_ = 1;
  uint64_t sequence_ = 0;
  // Work for the session as a whole is on the pool: planning, or the last
  // words.
  bool busy_ = false;
  bool paused_ = false;
  bool ended_ = false;
  int interrupts_ = 0;
  std::unique_ptr<loop::Timer> kill_timer_;
  std::optional<int> first_failure_;
  vtask::v1::RunFinished totals_;
  vtask::v1::RunRecord record_;
};

void SessionImpl::Start() {
  absl::StatusOr<plan::Command> command =
      plan::ParseCommandLine(Strings(start_.argv()));
  if (!command.ok()) {
    Write(/*is_stderr=*/true,
          absl::StrCat("error: ", command.status().message(), "\n"));
    End(2);
  } else if (const auto* text = std::get_if<plan::PrintText>(&*command)) {
    Write(/*is_stderr=*/false, text->text);
    End(text->exit_code);
  } else if (std::holds_alternative<plan::CacheClean>(*command)) {
    busy_ = true;
    engine_->workers->Run(
        [cache = engine_->cache] {
          return cache == nullptr ? absl::OkStatus() : cache->Clean();
        },
        [this](absl::Status cleaned) {
          if (!cleaned.ok()) {
            Write(/*is_stderr=*/true,
                  absl::StrCat("error: ", cleaned.message(), "\n"));
          }
          End(cleaned.ok() ? 0 : 1);
        });
  } else {
    StartRun(std::get<plan::RunFlags>(*std::move(command)));
  }
}

void SessionImpl::StartRun(plan::RunFlags flags) {
  flags_ = std::move(flags);
  report::RenderOptions options = RenderOptionsOf(start_, facts_.env);
  options.verbose = flags_.verbose;
  options.log =
      flags_.log == plan::LogMode::kLabeled   ? report::LogMode::kLabeled
      : flags_.log == plan::LogMode::kGrouped ? report::LogMode::kGrouped
                                              : report::LogMode::kInterleaved;
  renderer_ = std::make_unique<report::Renderer>(
      options, [this](bool is_stderr, std::string bytes) {
        Write(is_stderr, std::move(bytes));
      });
  context_.wants_details = flags_.verbose >= 2;
  context_.shim_executes =
      start_.can_execute() && flags_.log == plan::LogMode::kInterleaved;
  if (RunningAction* enclosing = FindEnclosing(
          engine_, static_cast<pid_t>(start_.pid()), EnvOf("VT_ACTION"));
      start_.pid() != 0 && enclosing != nullptr) {
    enclosing->has_nested_run = true;
    context_.enclosing = *enclosing;
  }
  busy_ = true;
  engine_->workers->Run(
      [this, colour = options.colour_stdout] {
        return PlanRun(flags_, facts_, engine_->cache, LastRuns(), colour);
      },
      [this](absl::StatusOr<PlannedRun> planned) {
        OnPlanned(std::move(planned));
      });
}

void SessionImpl::FailPlanning(const absl::Status& status) {
  Write(/*is_stderr=*/true, absl::StrCat("error: ", status.message(), "\n"));
  End(ExitCodeOf(status));
}

void SessionImpl::OnPlanned(absl::StatusOr<PlannedRun> planned) {
  busy_ = false;
  if (interrupts_ > 0) {
    End(130);
    return;
  }
  if (!planned.ok()) {
    FailPlanning(planned.status());
    return;
  }
  for (const std::string& warning : planned->plan.warnings) {
    Write(/*is_stderr=*/true, absl::StrCat(warning, "\n"));
  }
  if (planned->text.has_value() || planned->complaint.has_value()) {
    if (planned->complaint.has_value()) {
      Write(/*is_stderr=*/true, absl::StrCat(*planned->complaint, "\n"));
    } else {
      Write(/*is_stderr=*/false, *planned->text);
    }
    End(planned->exit_code);
    return;
  }
  root_ = planned->root;
  context_.root = root_;
  plan_ = std::move(planned->plan);
  if (absl::Status pruned = PruneEnclosing(); !pruned.ok()) {
    FailPlanning(pruned);
    return;
  }
  RunEvent event;
  vtask::v1::RunStarted* started = event.mutable_run_started();
  started->set_workspace_root(root_);
  for (const std::string& argument : start_.argv()) {
    started->add_argv(argument);
  }
  started->set_pid(start_.pid());
  Emit(std::move(event));
  std::vector<std::vector<int>> depends_on;
  for (const plan::PlannedTask& task : plan_.tasks) {
    depends_on.push_back(task.depends_on);
  }
  scheduler_.emplace(depends_on, plan_.concurrency);
  StartReady();
  MaybeFinish();
}

TaskFrame SessionImpl::FrameOf(const plan::PlannedTask& task) const {
  constexpr absl::string_view kNul("\0", 1);
  return {absl::StrCat(root_, kNul, task.package_path, kNul, task.name),
          task.label};
}

// A run inside of a task leaves that task out (R-PLAN-14, 15: `build` of the
// root may be `vt run -r build`); any other task that is under way around it
// would wait for itself (R-PLAN-16).
absl::Status SessionImpl::PruneEnclosing() {
  const std::vector<TaskFrame>& chain = context_.enclosing.chain;
  for (plan::PlannedTask& task : plan_.tasks) {
    const TaskFrame frame = FrameOf(task);
    if (!chain.empty() && chain.back().key == frame.key) {
      task.steps.clear();
      continue;
    }
    std::vector<std::string> labels;
    for (const TaskFrame& around : chain) {
      if (around.key == frame.key || !labels.empty()) {
        labels.push_back(around.label);
      }
    }
    if (!labels.empty()) {
      return absl::FailedPreconditionError(
          absl::StrCat("the task runs itself: ", absl::StrJoin(labels, " -> "),
                       " -> ", task.label));
    }
  }
  return absl::OkStatus();
}

void SessionImpl::StartReady() {
  // A task without steps is done as it starts, which may free others.
  for (std::vector<int> ready = scheduler_->TakeReady(); !ready.empty();
       ready = scheduler_->TakeReady()) {
    for (const int task : ready) {
      if (plan_.tasks[static_cast<size_t>(task)].steps.empty()) {
        scheduler_->Succeeded(task);
      } else {
        StartStep(task, 0);
      }
    }
  }
}

void SessionImpl::StartStep(int task, size_t step) {
  const plan::PlannedTask& planned = plan_.tasks[static_cast<size_t>(task)];
  const plan::Step& planned_step = planned.steps[step];
  vtask::v1::ActionRef ref;
  ref.set_index(next_index_++);
  ref.set_package(planned.package_name);
  ref.set_package_path(planned.package_path.empty() ? "."
                                                    : planned.package_path);
  ref.set_task(planned.name);
  ref.set_label(planned.label);
  ref.set_cwd(planned_step.display_cwd);
  ref.set_command(planned_step.display_command);
  const uint32_t index = ref.index();
  RunningTask& running = running_[index];
  running.task = task;
  running.step = step;
  running.action = Action::Create(engine_, this, &context_, &planned_step,
                                  FrameOf(planned), std::move(ref));
  running.action->Start();
  running.action->SetPaused(paused_);
}

void SessionImpl::ActionDone(uint32_t index, ActionOutcome outcome,
                             int exit_code) {
  // Posted: the action is still on the stack, and may be in its own Start.
  engine_->loop->Post([this, index, outcome, exit_code] {
    AfterAction(index, outcome, exit_code);
  });
}

void SessionImpl::AfterAction(uint32_t index, ActionOutcome outcome,
                              int exit_code) {
  const auto found = running_.find(index);
  const int task = found->second.task;
  const size_t step = found->second.step;
  running_.erase(found);
  const plan::PlannedTask& planned = plan_.tasks[static_cast<size_t>(task)];
  if (outcome == ActionOutcome::kSucceeded) {
    if (interrupts_ > 0) {
      scheduler_->Failed(task);
    } else if (step + 1 < planned.steps.size()) {
      StartStep(task, step + 1);
    } else {
      scheduler_->Succeeded(task);
      StartReady();
    }
  } else {
    scheduler_->Failed(task);
    if (outcome == ActionOutcome::kFailed && !first_failure_.has_value()) {
      first_failure_ = exit_code;
      // Fail fast: what runs beside it ends too.
      CancelAll(SIGTERM);
    }
  }
  MaybeFinish();
}

void SessionImpl::MaybeFinish() {
  if (ended_ || busy_ || !scheduler_.has_value() ||
      !scheduler_->is_finished() || !running_.empty()) {
    return;
  }
  const int exit_code = interrupts_ > 0 ? 130 : first_failure_.value_or(0);
  totals_.set_exit_code(exit_code);
  totals_.set_cancelled(interrupts_ > 0);
  RunEvent event;
  *event.mutable_run_finished() = totals_;
  Emit(std::move(event));
  // Kept before the caller hears of the end: it may ask at once.
  busy_ = true;
  record_.set_workspace_root(root_);
  record_.set_vtask_version(base::Version());
  engine_->workers->Run(
      [record = std::move(record_), place = LastRuns()] {
        return history::SaveLastRun(place, record);
      },
      [this, exit_code](absl::Status /*a convenience; not worth a word*/) {
        End(exit_code);
      });
}

void SessionImpl::End(int exit_code) {
  ended_ = true;
  RunResponse response;
  response.mutable_exit()->set_code(exit_code);
  sink_->Send(std::move(response));
  sink_->Finish();
  // The last word: this object may be gone when it returns.
  engine_->loop->Post([this] { hooks_.on_done(id_); });
}

void SessionImpl::Signal(int number) {
  if (ended_) {
    return;
  }
  ++interrupts_;
  if (scheduler_.has_value()) {
    scheduler_->Stop();
  }
  CancelAll(number);
  MaybeFinish();
}

void SessionImpl::CallerGone() {
  if (ended_) {
    return;
  }
  // Nobody is left to press Ctrl-C again: a second word follows by itself.
  Signal(SIGTERM);
  kill_timer_ = std::make_unique<loop::Timer>(engine_->loop, absl::Seconds(1),
                                              [this] { Signal(SIGKILL); });
}

void SessionImpl::CancelAll(int signal) {
  for (auto& [index, running] : running_) {
    running.action->Cancel(signal);
  }
}

void SessionImpl::Stdin(absl::string_view data, bool eof) {
  for (auto& [index, running] : running_) {
    running.action->Stdin(data, eof);
  }
}

void SessionImpl::Executed(const vtask::v1::RunRequest::Executed& answer) {
  if (const auto found = running_.find(answer.id()); found != running_.end()) {
    found->second.action->Executed(answer);
  }
}

void SessionImpl::SetPaused(bool paused) {
  if (paused_ == paused) {
    return;
  }
  paused_ = paused;
  for (auto& [index, running] : running_) {
    running.action->SetPaused(paused);
  }
}

void SessionImpl::Execute(RunResponse::Execute execute) {
  RunResponse response;
  *response.mutable_execute() = std::move(execute);
  sink_->Send(std::move(response));
}

void SessionImpl::Emit(RunEvent event) {
  event.set_run_id(id_);
  event.set_sequence(++sequence_);
  event.set_time_unix_us(absl::ToUnixMicros(absl::Now()));
  if (event.has_action_started()) {
    totals_.set_total(totals_.total() + 1);
    const vtask::v1::CacheStatus cache = event.action_started().cache();
    if (cache == vtask::v1::HIT) {
      totals_.set_hits(totals_.hits() + 1);
    }
    if (cache == vtask::v1::HIT || cache == vtask::v1::MISS) {
      totals_.set_cached_actions(totals_.cached_actions() + 1);
    }
  } else if (event.has_action_finished()) {
    const vtask::v1::ActionFinished& finished = event.action_finished();
    if (finished.outcome() == vtask::v1::ActionFinished::FAILED ||
        finished.outcome() == vtask::v1::ActionFinished::SPAWN_FAILED) {
      totals_.set_failed(totals_.failed() + 1);
    }
    totals_.set_saved_us(totals_.saved_us() + finished.saved_us());
  }
  if (!start_.events_only() && renderer_ != nullptr) {
    renderer_->Handle(event);
  }
  const bool is_output = event.has_action_output();
  if (!is_output) {
    *record_.add_events() = event;
  }
  if (start_.events_only() || (start_.want_events() && !is_output)) {
    RunResponse response;
    *response.mutable_event() = event;
    sink_->Send(std::move(response));
  }
  if (is_output && sink_->is_congested()) {
    SetPaused(true);
  }
  hooks_.on_event(*this, event);
}

void SessionImpl::Write(bool is_stderr, std::string bytes) {
  RunResponse response;
  if (is_stderr) {
    response.set_stderr(std::move(bytes));
  } else {
    response.set_stdout(std::move(bytes));
  }
  sink_->Send(std::move(response));
}

vtask::v1::RunInfo SessionImpl::info() const {
  vtask::v1::RunInfo info;
  info.set_run_id(id_);
  info.set_workspace_root(root_);
  for (const std::string& argument : start_.argv()) {
    info.add_argv(argument);
  }
  info.set_started_unix_us(absl::ToUnixMicros(started_));
  return info;
}

}  // namespace

std::unique_ptr<Session> Session::Create(RunId id, Engine* engine,
                                         vtask::v1::RunStart start,
                                         RunSink* sink, Hooks hooks) {
  return std::make_unique<SessionImpl>(id, engine, std::move(start), sink,
                                       std::move(hooks));
}

}  // namespace vt::run
