// SPDX-License-Identifier: Apache-2.0
//
// What becomes of an action whose process has ended.

#include "daemon/run/action_impl.h"
#include "daemon/run/action_notes.h"

namespace vt::run {

namespace storage = vtask::storage::v1;
using vtask::v1::ActionFinished;
using vtask::v1::NotStored;
using vtask::v1::RunEvent;

void ActionImpl::OnEnd(TaskEnd end) {
  TransitionTo(State::kEnding);
  process_ = nullptr;
  // Another may run while this is stored.
  engine_->slots.Release(id_, /*was_killed=*/end.status.code != 0);
  end_ = std::move(end);
  was_tracked_ = end_.accesses.has_value();
  NoteTracked();
  if (cancelled_) {
    Finish(ActionFinished::CANCELLED, end_.status.code);
  } else if (end_.status.code != 0) {
    finished_.mutable_not_stored()->set_reason(NotStored::FAILED);
    Fail();
  } else if (!step_->cached) {
    Finish(ActionFinished::SUCCEEDED, 0);
  } else {
    CollectAndStore();
  }
}

void ActionImpl::NoteTracked() {
  if (end_.accesses.has_value()) {
    NoteTerminalNeeds(*end_.accesses, cancelled_, &finished_);
  }
  if (end_.accesses.has_value() && context_->wants_details) {
    NoteTracking(*end_.accesses, static_cast<int>(engine_->options.tier.level),
                 &finished_);
  }
}

void ActionImpl::NoteRootOf(const cache::Hit& result) {
  if (context_->wants_details) {
    NoteRoot(step_->description, *result.result, &finished_);
  }
}

std::optional<NotStored> ActionImpl::ReasonNotToCollect() const {
  NotStored why;
  if (engine_->cache == nullptr) {
    why.set_reason(NotStored::STORE_FAILED);
    why.set_text(engine_->cache_error);
  } else if (engine_->draining) {
    why.set_reason(NotStored::STORE_FAILED);
    why.set_text("the daemon is being replaced");
  } else if (log_.is_too_long()) {
    why.set_reason(NotStored::DEVICE_OR_LIMIT);
    why.set_text("it wrote more than 64 MiB to the terminal");
  } else {
    return std::nullopt;
  }
  return why;
}

FinishedRun ActionImpl::TakeFinished() {
  FinishedRun run;
  run.key = Key();
  run.end = std::move(end_);
  run.nest = std::move(engine_->nests[id_]);
  run.log = log_.Take();
  run.user_untracked = step_->user_untracked;
  run.watches_env = step_->watches_env;
  run.globs_before = std::move(globs_before_);
  end_.duration = run.end.duration;
  return run;
}

void ActionImpl::Fail() {
  const int code = end_.status.code;
  if (!step_->cached || !end_.accesses.has_value() ||
      ReasonNotToCollect().has_value()) {
    Finish(ActionFinished::FAILED, code);
    return;
  }
  engine_->workers->Run(
      [cache = engine_->cache, run = TakeFinished()]() mutable {
        RememberFailed(cache, std::move(run));
        return 0;
      },
      [this, code](int) { Finish(ActionFinished::FAILED, code); });
}

void ActionImpl::CollectAndStore() {
  if (std::optional<NotStored> why = ReasonNotToCollect()) {
    *finished_.mutable_not_stored() = *std::move(why);
    Finish(ActionFinished::SUCCEEDED, 0);
    return;
  }
  FinishedRun run = TakeFinished();
  engine_->workers->Run(
      [cache = engine_->cache, run = std::move(run)]() mutable {
        return KeepResult(cache, std::move(run));
      },
      [this](Kept kept) { OnKept(std::move(kept)); });
}

void ActionImpl::OnKept(Kept kept) {
  for (const std::string& note : kept.notes) {
    finished_.add_notes(note);
  }
  if (context_->wants_details) {
    for (const storage::ToolReport& report : kept.tool_reports) {
      *finished_.add_reports() = cache::ForEvent(report);
    }
  }
  finished_.set_stored(!kept.why_not.has_value());
  if (kept.why_not.has_value()) {
    *finished_.mutable_not_stored() = *std::move(kept.why_not);
  } else {
    KnownHit hit;
    hit.facts = Facts();
    hit.strong = kept.stored.strong;
    hit.use =
        engine_->cache->UseOf(context_->root, step_->position, kept.stored);
    hit.log = std::move(kept.log);
    hit.saved_us = absl::ToInt64Microseconds(end_.duration);
    to_share_ = std::make_shared<const KnownHit>(std::move(hit));
    result_ = std::move(kept.stored);
    NoteRootOf(*result_);
  }
  Finish(ActionFinished::SUCCEEDED, 0);
}

track::ChangeSink ActionImpl::SinkAround() const {
  const Nest* nest = FindNest(engine_, context_->enclosing.collector);
  return nest != nullptr ? nest->changes : nullptr;
}

// The action around it takes this one over (decisions H2).
void ActionImpl::TellAround() {
  Nest* nest = FindNest(engine_, context_->enclosing.collector);
  if (nest == nullptr || step_->kind == plan::Step::Kind::kEcho ||
      runs_on_shim_) {
    return;  // what ran in its own processes it knows already
  }
  const bool ran = HasStarted();
  if (!step_->cached) {
    nest->Spoil(ref_.label(),
                "it is not cached, and does not run on a terminal");
  } else if (!result_.has_value()) {
    nest->Spoil(ref_.label(), WhyNoResult(finished_));
  } else if (ran && !was_tracked_ && nest->changes) {
    nest->Spoil(ref_.label(), "it ran untracked");
  } else {
    nest->actions.push_back(
        InnerAction::Of(ref_.label(), step_->description, *std::move(result_)));
  }
}

void ActionImpl::Finish(ActionFinished::Outcome outcome, int exit_code) {
  // A cancelled lookup was never shown as started, a hit was.
  const bool show = HasStarted() || outcome == ActionFinished::SUCCEEDED;
  if (outcome == ActionFinished::CANCELLED) {
    finished_.mutable_not_stored()->set_reason(NotStored::CANCELLED);
  }
  finished_.set_action_index(ref_.index());
  finished_.set_outcome(outcome);
  finished_.set_exit_code(exit_code);
  finished_.set_duration_us(absl::ToInt64Microseconds(end_.duration));
  if (step_->cached && !weak_.IsZero()) {
    finished_.set_weak(std::string(weak_.AsBytes()));
  }
  if (result_.has_value()) {
    finished_.set_strong(std::string(result_->strong.AsBytes()));
  } else if (strong_.has_value()) {
    finished_.set_strong(std::string(strong_->AsBytes()));
  }
  TellAround();
  TransitionTo(State::kDone);
  engine_->nests.erase(id_);
  engine_->slots.Release(id_);
  if (holds_key_) {
    holds_key_ = false;
    engine_->in_flight.Release(FlightKey(), id_, to_share_);
  }
  if (show) {
    RunEvent event;
    *event.mutable_action_finished() = finished_;
    host_->Emit(std::move(event));
  }
  if (step_->kind != plan::Step::Kind::kEcho) {
    host_->RestsOn(std::move(known_));
  }
  host_->ActionDone(
      ref_.index(),
      outcome == ActionFinished::SUCCEEDED   ? ActionOutcome::kSucceeded
      : outcome == ActionFinished::CANCELLED ? ActionOutcome::kCancelled
                                             : ActionOutcome::kFailed,
      exit_code);
}

}  // namespace vt::run
