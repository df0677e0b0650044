// SPDX-License-Identifier: Apache-2.0

#include "daemon/run/action.h"

#include <csignal>
#include <optional>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

#include "daemon/fingerprint/sink.h"
#include "daemon/run/action_events.h"
#include "daemon/run/action_notes.h"
#include "daemon/run/find_result.h"
#include "daemon/run/keep_result.h"
#include "daemon/run/task_log.h"
#include "daemon/run/task_process.h"

namespace vt::run {
namespace {

namespace storage = vtask::storage::v1;
using vtask::v1::ActionFinished;
using vtask::v1::NotStored;
using vtask::v1::RunEvent;

class ActionImpl final : public Action {
 public:
  ActionImpl(Engine* engine, ActionHost* host, const CallerContext* context,
             const plan::Step* step, std::vector<plan::TaskFrame> chain,
             vtask::v1::ActionRef ref)
      : engine_(engine),
        host_(host),
        context_(context),
        step_(step),
        chain_(std::move(chain)),
        ref_(std::move(ref)),
        id_(engine->next_action++) {}

  void Start() override;
  void Cancel(int signal) override;
  void SetPaused(bool paused) override;
  void Executed(const vtask::v1::RunRequest::Executed& answer) override;
  void Stdin(absl::string_view data, bool eof) override {
    if (process_ != nullptr) {
      process_->Stdin(data, eof);
    }
  }

 private:
  enum class State {
    kCreated,
    kWaiting,    // another run does the same (H1)
    kLookingUp,  // on the worker pool: lookup, restore
    kQueued,     // for a slot, behind other runs
    kRunning,    // the process, ours or the shim's
    kEnding,     // exited: draining, collecting, storing
    kDone,
  };

  void TransitionTo(State state) { state_ = state; }
  bool HasStarted() const {
    return state_ != State::kWaiting && state_ != State::kLookingUp &&
           state_ != State::kQueued;
  }
  cache::ActionKey Key() const {
    return {step_->description, context_->root, step_->tool_env.All(),
            step_->position, step_->umask};
  }
  std::string FlightKey() const {
    return absl::StrCat(FlightPrefix(context_->root), step_->cwd,
                        absl::string_view("\0", 1), weak_.AsBytes());
  }

  void Echo();
  void Acquire();
  void FailAsRecursion(absl::string_view how);
  void LookUp(const KnownHitPtr& others);
  bool MayBeKnown() const;
  KnownHitPtr WhatIsKnown() const;
  void UseKnown(const KnownHit& known);
  LookupFacts Facts() const {
    return {weak_, step_->tool_env_digest, step_->umask, cache_generation_};
  }
  void KeepKnown(const Found& found);
  void OnFound(Found found);
  void RunInTurn();
  void Replay(Found found);
  void RunOnShim();
  void RunHere();
  RunningAction Describe() const;
  Attachments ToAttach() const;
  void OnOutput(bool is_stderr, absl::string_view data);
  void OnEnd(TaskEnd end);
  void NoteTracked();
  std::optional<NotStored> ReasonNotToCollect() const;
  void NoteRootOf(const cache::Hit& result);
  FinishedRun TakeFinished();
  void Fail();
  void CollectAndStore();
  void OnKept(Kept kept);
  track::ChangeSink SinkAround() const;
  void TellAround();
  void Finish(ActionFinished::Outcome outcome, int exit_code);

  void EmitStarted(vtask::v1::CacheStatus cache, const Found* found) {
    host_->Emit(StartedEvent(ref_, cache, waited_, found));
  }
  void EmitOutput(bool is_stderr, std::string data, bool replayed) {
    host_->Emit(
        OutputEvent(ref_.index(), is_stderr, std::move(data), replayed));
  }

  Engine* const engine_;
  ActionHost* const host_;
  const CallerContext* const context_;
  const plan::Step* const step_;
  const std::vector<plan::TaskFrame> chain_;
  const vtask::v1::ActionRef ref_;
  const ActionId id_;

  State state_ = State::kCreated;
  bool cancelled_ = false;
  bool waited_ = false;
  bool holds_key_ = false;
  base::Digest weak_;
  uint64_t cache_generation_ = 0;  // when it was looked up
  KnownHitPtr known_;              // once it is a hit that may be known
  KnownHitPtr to_share_;           // with those who wait for it
  std::optional<storage::Value> globs_before_;
  Found missed_;  // while queued

  // While running: ours, or the shim's.
  std::unique_ptr<TaskProcess> process_;
  absl::Time shim_started_;
  TaskLog log_;

  // And so in the process tree of the action around it, if there is one.
  bool runs_on_shim_ = false;

  // While ending.
  TaskEnd end_;
  bool was_tracked_ = false;
  // Its result: hit, or stored.
  std::optional<cache::Hit> result_;
  std::optional<base::Digest> strong_;  // of one that is known only
  ActionFinished finished_;
};

// ---------------------------------------------------------------- before

void ActionImpl::Start() {
  if (step_->kind == plan::Step::Kind::kEcho) {
    Echo();
  } else if (!step_->cached) {
    EmitStarted(vtask::v1::DISABLED, nullptr);
    if (context_->shim_executes) {
      RunOnShim();
    } else {
      RunHere();
    }
  } else if (engine_->cache == nullptr || engine_->draining) {
    EmitStarted(vtask::v1::MISS, nullptr);
    RunHere();
  } else {
    Acquire();
  }
}

void ActionImpl::Echo() {
  EmitStarted(vtask::v1::BUILTIN, nullptr);
  EmitOutput(/*is_stderr=*/false, step_->echo_text, /*replayed=*/false);
  Finish(ActionFinished::SUCCEEDED, 0);
}

void ActionImpl::Acquire() {
  weak_ = step_->weak;
  const std::string key = FlightKey();
  if (context_->enclosing.held_keys.contains(key)) {
    FailAsRecursion("");
    return;
  }
  if (engine_->in_flight.WouldDeadlock(key, context_->enclosing.around)) {
    FailAsRecursion(", which another run has started and which waits for it");
    return;
  }
  holds_key_ = true;
  TransitionTo(State::kWaiting);
  if (engine_->in_flight.Acquire(key, id_, context_->enclosing.around,
                                 [this](const KnownHitPtr& outcome) {
                                   waited_ = true;
                                   LookUp(outcome);
                                 })) {
    LookUp(nullptr);
  } else if (context_->enclosing.id != 0) {
    // The action around us holds a slot until that one has ended.
    engine_->slots.Hurry(engine_->in_flight.Holder(key));
  }
}

// It would wait for itself for ever (decisions H2).
void ActionImpl::FailAsRecursion(absl::string_view how) {
  std::vector<std::string> labels;
  for (const plan::TaskFrame& around : context_->enclosing.chain) {
    labels.push_back(around.label);
  }
  labels.push_back(ref_.label());
  EmitStarted(vtask::v1::MISS, nullptr);
  finished_.set_error(absl::StrCat(
      "the task runs itself: ", absl::StrJoin(labels, " -> "), how));
  Finish(ActionFinished::SPAWN_FAILED, 1);
}

// Whether what is known from earlier counts, and this will count later. Not for
// what an action around it wants to hear all of.
bool ActionImpl::MayBeKnown() const {
  return engine_->options.watcher != nullptr && !context_->verify_by_stat &&
         !context_->wants_details && !step_->refresh &&
         context_->enclosing.id == 0;
}

// Null: nothing that counts for this lookup.
KnownHitPtr ActionImpl::WhatIsKnown() const {
  // Steps before it may have changed something.
  engine_->options.watcher->Drain();
  KnownHitPtr known = engine_->known.hits.Find(context_->root, step_->position);
  return known != nullptr && known->facts == Facts() ? known : nullptr;
}

void ActionImpl::UseKnown(const KnownHit& known) {
  engine_->cache->NoteUse(known.use);
  Found found;
  found.restored = true;
  found.log = known.log;
  found.saved_us = known.saved_us;
  strong_ = known.strong;
  Replay(std::move(found));
}

// Or forgets what was: this lookup is the last at its position.
void ActionImpl::KeepKnown(const Found& found) {
  if (found.leases.empty()) {
    engine_->known.hits.Forget(context_->root, step_->position);
    return;
  }
  KnownHit hit;
  hit.facts = Facts();
  hit.evaluation = found.lookup.hit->evaluation;
  hit.leases = found.leases;
  hit.strong = found.lookup.hit->strong;
  hit.use = engine_->cache->UseOf(Key(), *found.lookup.hit);
  hit.log = found.log;
  hit.saved_us = found.saved_us;
  known_ = std::make_shared<const KnownHit>(std::move(hit));
  engine_->known.hits.Keep(context_->root, step_->position, known_);
}

// `others`: the result of the action that this one waited for, from before its
// start until now; or null. A lookup would see the same.
void ActionImpl::LookUp(const KnownHitPtr& others) {
  TransitionTo(State::kLookingUp);
  cache_generation_ = engine_->cache->generation();
  FindOptions options;
  if (MayBeKnown()) {
    if (others != nullptr && others->facts == Facts() &&
        others->use.position == step_->position) {
      to_share_ = others;
      UseKnown(*others);
      return;
    }
    options.known = WhatIsKnown();
    if (options.known != nullptr && AllHold(options.known->leases)) {
      known_ = std::move(options.known);
      UseKnown(*known_);
      return;
    }
    options.watcher = engine_->options.watcher;
  }
  options.refresh = step_->refresh;
  options.wants_details = context_->wants_details;
  options.enclosing = SinkAround();
  engine_->workers->Run(
      [cache = engine_->cache, key = Key(), options = std::move(options)] {
        return FindResult(cache, key, options);
      },
      [this](Found found) { OnFound(std::move(found)); });
}

void ActionImpl::OnFound(Found found) {
  if (cancelled_) {
    Finish(ActionFinished::CANCELLED, 130);
    return;
  }
  for (const std::string& note : found.notes) {
    finished_.add_notes(note);
  }
  KeepKnown(found);
  if (found.restored) {
    NoteRootOf(*found.lookup.hit);
    Replay(std::move(found));
    return;
  }
  if (!found.lookup.miss.note.empty()) {
    finished_.add_notes(found.lookup.miss.note);
  }
  globs_before_ = std::move(found.globs_before);
  missed_ = std::move(found);
  TransitionTo(State::kQueued);
  if (engine_->slots.Acquire(context_,
                             /*is_nested=*/context_->enclosing.id != 0, id_,
                             [this] { RunInTurn(); })) {
    RunInTurn();
  } else if (engine_->in_flight.IsAwaitedInside(FlightKey())) {
    engine_->slots.Hurry(id_);
  }
}

void ActionImpl::RunInTurn() {
  EmitStarted(vtask::v1::MISS, &missed_);
  missed_ = {};
  RunHere();
}

void ActionImpl::Replay(Found found) {
  EmitStarted(vtask::v1::HIT, &found);
  for (storage::LogChunk& chunk : found.log) {
    EmitOutput(chunk.is_stderr(), std::move(*chunk.mutable_data()),
               /*replayed=*/true);
  }
  finished_.set_saved_us(found.saved_us);
  finished_.set_stored(true);
  result_ = std::move(found.lookup.hit);
  Finish(ActionFinished::SUCCEEDED, 0);
}

// ---------------------------------------------------------------- running

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

// ---------------------------------------------------------------- after

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
    NoteRoot(step_->description, result.result, &finished_);
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
    hit.use = engine_->cache->UseOf(Key(), kept.stored);
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

}  // namespace

std::unique_ptr<Action> Action::Create(Engine* engine, ActionHost* host,
                                       const CallerContext* context,
                                       const plan::Step* step,
                                       std::vector<plan::TaskFrame> chain,
                                       vtask::v1::ActionRef ref) {
  return std::make_unique<ActionImpl>(engine, host, context, step,
                                      std::move(chain), std::move(ref));
}

}  // namespace vt::run
