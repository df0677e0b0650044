// SPDX-License-Identifier: Apache-2.0

#include "daemon/run/action.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

#include "daemon/run/action_impl.h"

namespace vt::run {

namespace storage = vtask::storage::v1;
using vtask::v1::ActionFinished;

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
  hit.use =
      engine_->cache->UseOf(context_->root, step_->position, *found.lookup.hit);
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

std::unique_ptr<Action> Action::Create(Engine* engine, ActionHost* host,
                                       const CallerContext* context,
                                       const plan::Step* step,
                                       std::vector<plan::TaskFrame> chain,
                                       vtask::v1::ActionRef ref) {
  return std::make_unique<ActionImpl>(engine, host, context, step,
                                      std::move(chain), std::move(ref));
}

}  // namespace vt::run
