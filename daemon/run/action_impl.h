// SPDX-License-Identifier: Apache-2.0
//
// The one Action there is. For the files of action alone:
//
//   action.cc        waiting for the same, looking up, replaying
//   action_run.cc    its process, here or on the shim
//   action_finish.cc collecting, storing, the end

#pragma once

#include <sys/types.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"

#include "daemon/base/digest.h"
#include "daemon/cache/action_cache.h"
#include "daemon/run/action.h"
#include "daemon/run/action_events.h"
#include "daemon/run/engine.h"
#include "daemon/run/find_result.h"
#include "daemon/run/keep_result.h"
#include "daemon/run/task_log.h"
#include "daemon/run/task_process.h"
#include "vtask/storage/v1/storage.pb.h"
#include "vtask/v1/run_event.pb.h"

namespace vt::run {

// Loop-bound.
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
  std::optional<vtask::v1::NotStored> ReasonNotToCollect() const;
  void NoteRootOf(const cache::Hit& result);
  FinishedRun TakeFinished();
  void Fail();
  void CollectAndStore();
  void OnKept(Kept kept);
  track::ChangeSink SinkAround() const;
  void TellAround();
  void Finish(vtask::v1::ActionFinished::Outcome outcome, int exit_code);

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
  std::optional<vtask::storage::v1::Value> globs_before_;
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
  vtask::v1::ActionFinished finished_;
};

}  // namespace vt::run
