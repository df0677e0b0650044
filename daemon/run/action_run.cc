// SPDX-License-Identifier: Apache-2.0
//
// An action while it runs.

#include <csignal>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"

#include "daemon/run/action_impl.h"
#include "daemon/run/action_notes.h"

namespace vt::run {

namespace storage = vtask::storage::v1;
using vtask::v1::ActionFinished;

void ActionImpl::RunOnShim() {
  TransitionTo(State::kRunning);
  runs_on_shim_ = true;
  shim_started_ = absl::Now();
  vtask::v1::RunResponse::Execute execute =
      ExecuteMessage(ref_.index(), *step_);
  execute.add_env(ActionMarker(id_));
  execute.add_env(
      absl::StrCat("VT_CACHE_DIR=", engine_->options.cache_directory));
  engine_->running[id_] = Describe();
  host_->Execute(std::move(execute));
}

void ActionImpl::Executed(const vtask::v1::RunRequest::Executed& answer) {
  if (state_ != State::kRunning) {
    return;
  }
  if (answer.running()) {
    engine_->running[id_].pid = static_cast<pid_t>(answer.pid());
    return;
  }
  engine_->running.erase(id_);
  end_.duration = absl::Now() - shim_started_;
  if (!answer.started()) {
    finished_.set_error(answer.error());
    Finish(ActionFinished::SPAWN_FAILED, 1);
  } else if (cancelled_) {
    Finish(ActionFinished::CANCELLED, answer.exit_code());
  } else {
    Finish(answer.exit_code() == 0 ? ActionFinished::SUCCEEDED
                                   : ActionFinished::FAILED,
           answer.exit_code());
  }
}

RunningAction ActionImpl::Describe() const {
  RunningAction running;
  running.id = id_;
  running.chain = chain_;
  running.around = context_->enclosing.around;
  running.around.push_back(id_);
  running.collector = step_->cached ? id_ : context_->enclosing.collector;
  running.held_keys = context_->enclosing.held_keys;
  if (holds_key_) {
    running.held_keys[FlightKey()] = ref_.label();
  }
  return running;
}

Attachments ActionImpl::ToAttach() const {
  Attachments attachments;
  attachments.stdin_pipe = !step_->cached && context_->forwards_stdin;
  attachments.tool_endpoint = step_->cached;
  attachments.jobserver = step_->cached && !step_->watches_env;
  const storage::WeakDescription& description = step_->description;
  // An action around it must know what it changes, were it all declared.
  const bool matters = description.input().automatic() ||
                       description.output().automatic() || SinkAround();
  if (step_->cached && description.track() && matters &&
      engine_->cache != nullptr) {
    attachments.tracking = engine_->options.tier;
    attachments.enclosing = SinkAround();
  }
  return attachments;
}

void ActionImpl::RunHere() {
  TransitionTo(State::kRunning);
  if (holds_key_) {
    engine_->in_flight.Begin(FlightKey());
  }
  TaskProcess::Hooks hooks;
  hooks.on_output = [this](bool is_stderr, absl::string_view data) {
    OnOutput(is_stderr, data);
  };
  hooks.on_end = [this](TaskEnd end) { OnEnd(std::move(end)); };
  absl::StatusOr<std::unique_ptr<TaskProcess>> process = TaskProcess::Start(
      engine_, *context_, *step_, ToAttach(), Describe(), std::move(hooks));
  if (process.ok()) {
    process_ = *std::move(process);
    if (step_->cached) {
      Nest& nest = engine_->nests[id_];
      nest.root = context_->root;
      nest.changes = process_->SinkForNested();
    }
    return;
  }
  finished_.set_error(std::string(process.status().message()));
  Finish(ActionFinished::SPAWN_FAILED, 1);
}

void ActionImpl::OnOutput(bool is_stderr, absl::string_view data) {
  if (step_->cached) {
    log_.Append(is_stderr, data);
  }
  EmitOutput(is_stderr, std::string(data), /*replayed=*/false);
}

void ActionImpl::Cancel(int signal) {
  cancelled_ = true;
  if (state_ == State::kWaiting || state_ == State::kQueued) {
    Finish(ActionFinished::CANCELLED, 130);
  } else if (process_ != nullptr) {
    process_->Cancel(signal);
  } else if (runs_on_shim_ && signal != SIGINT && signal != SIGQUIT) {
    // A Ctrl-C it has from its terminal, and may want to go on. All else goes
    // through its minder, which then ends what the task leaves behind.
    vtask::v1::RunResponse::Execute execute;
    execute.set_id(ref_.index());
    execute.set_signal(SIGTERM);
    host_->Execute(std::move(execute));
  }
}

void ActionImpl::SetPaused(bool paused) {
  if (process_ != nullptr) {
    process_->SetPaused(paused);
  }
}

}  // namespace vt::run
