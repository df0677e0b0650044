// SPDX-License-Identifier: Apache-2.0
//
// A run once it is planned.

#include <csignal>
#include <utility>

#include "absl/time/clock.h"

#include "daemon/base/version.h"
#include "daemon/run/explain.h"
#include "daemon/run/session_impl.h"

namespace vt::run {

using vtask::v1::RunEvent;
using vtask::v1::RunResponse;

void SessionImpl::StartRendering() {
  int actions = 0;
  plan::ForEachStep(*plan_, [&](const plan::PlannedTask& /*task*/,
                                const plan::Step& /*step*/) { ++actions; });
  // Logs of GitHub Actions can be folded, but not where they are interleaved.
  if (render_options_.github && !flags_.log_given && actions > 1) {
    render_options_.log = report::LogMode::kGrouped;
  }
  context_.forwards_stdin =
      render_options_.log == report::LogMode::kInterleaved;
  context_.shim_executes = start_.can_execute() && context_.forwards_stdin;
  renderer_ = std::make_unique<report::Renderer>(
      render_options_, [this](bool is_stderr, std::string bytes) {
        Write(is_stderr, std::move(bytes));
      });
  if (WantsLiveLine(start_, facts_.env)) {
    live_line_ = std::make_unique<LiveLine>(
        engine_->loop, actions, static_cast<int>(start_.terminal().columns()),
        render_options_.colour_stdout,
        [this](RunResponse response) { Send(std::move(response)); },
        [this] { return sink_->is_congested(); });
  }
}

void SessionImpl::OnRunDone() {
  if (live_line_ != nullptr) {
    live_line_->End();
  }
  const int exit_code = interrupts_ > 0 ? 130 : first_failure_.value_or(0);
  totals_.set_exit_code(exit_code);
  totals_.set_cancelled(interrupts_ > 0);
  RunEvent event;
  *event.mutable_run_finished() = totals_;
  Emit(std::move(event));
  record_.set_workspace_root(root_);
  record_.set_vtask_version(base::Version());
  AddDescriptions(*plan_, &record_);
  memo_.Keep(root_, totals_, record_);
  engine_->run_log->Keep(
      [record = std::move(record_)]() mutable { return std::move(record); });
  End(exit_code);
}

void SessionImpl::End(int exit_code) {
  ended_ = true;
  nested_ = nullptr;  // before the task around it can go on
  SendExit(exit_code, sink_);
  // The last word: this object may be gone when it returns.
  engine_->loop->Post([this] { hooks_.on_done(id_); });
}

void SessionImpl::Signal(int number) {
  if (ended_) {
    return;
  }
  // A task on the terminal may have ended upon the same key, and the run with
  // it: then the task's own code counts (decisions H17).
  const bool is_over = running_actions_ == 0 && first_failure_.has_value();
  interrupts_ += is_over ? 0 : 1;
  if (config_load_ != nullptr) {
    config_load_->Cancel(number);
  }
  if (selection_ != nullptr) {
    selection_->Cancel();
  }
  if (execution_ != nullptr) {
    execution_->Cancel(number);
  }
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

void SessionImpl::Stdin(absl::string_view data, bool eof) {
  if (selection_ != nullptr) {
    selection_->Keys(data);
    if (eof) {
      selection_->Cancel();
    }
  } else if (execution_ != nullptr) {
    execution_->Stdin(data, eof);
  }
}

void SessionImpl::Resized(const vtask::v1::Terminal& terminal) {
  *start_.mutable_terminal() = terminal;
  if (selection_ != nullptr) {
    selection_->Resized(terminal);
  }
  if (live_line_ != nullptr) {
    live_line_->Resized(static_cast<int>(terminal.columns()));
  }
}

void SessionImpl::Executed(const vtask::v1::RunRequest::Executed& answer) {
  if (execution_ != nullptr) {
    execution_->Executed(answer);
  }
}

void SessionImpl::SetPaused(bool paused) {
  if (execution_ != nullptr) {
    execution_->SetPaused(paused);
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
    ++running_actions_;
    totals_.set_total(totals_.total() + 1);
    const vtask::v1::CacheStatus cache = event.action_started().cache();
    if (cache == vtask::v1::HIT) {
      totals_.set_hits(totals_.hits() + 1);
    }
    if (cache == vtask::v1::HIT || cache == vtask::v1::MISS) {
      totals_.set_cached_actions(totals_.cached_actions() + 1);
    }
  } else if (event.has_action_finished()) {
    --running_actions_;
    const vtask::v1::ActionFinished& finished = event.action_finished();
    if (finished.outcome() == vtask::v1::ActionFinished::FAILED ||
        finished.outcome() == vtask::v1::ActionFinished::SPAWN_FAILED) {
      totals_.set_failed(totals_.failed() + 1);
      if (!first_failure_.has_value()) {
        first_failure_ = finished.exit_code();
      }
    }
    totals_.set_saved_us(totals_.saved_us() + finished.saved_us());
  }
  if (!start_.events_only() && renderer_ != nullptr) {
    renderer_->Handle(event);
  }
  if (live_line_ != nullptr) {
    live_line_->Add(event);
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

}  // namespace vt::run
