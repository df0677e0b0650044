// SPDX-License-Identifier: Apache-2.0

#include "daemon/run/action.h"

#include <csignal>
#include <optional>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

#include "daemon/fingerprint/observe.h"
#include "daemon/fingerprint/sink.h"
#include "daemon/run/collect.h"
#include "daemon/run/task_process.h"

namespace vt::run {
namespace {

namespace storage = vtask::storage::v1;
using vtask::v1::ActionFinished;
using vtask::v1::ActionOutput;
using vtask::v1::ActionStarted;
using vtask::v1::NotStored;
using vtask::v1::RunEvent;

// Recorded terminal output above this is not worth keeping (a guess): a server
// that logs for days must not fill memory.
constexpr size_t kMaxLog = 64 << 20;

// What the first trip to the worker pool brings back.
struct Found {
  cache::LookupResult lookup;
  bool restored = false;
  std::vector<storage::LogChunk> log;
  std::vector<std::string> notes;
  std::optional<storage::Value> globs_before;
  cache::Details details;
};

bool HasPositiveGlob(const storage::InputConfig& input) {
  for (const storage::Glob& glob : input.globs()) {
    if (!glob.negative()) {
      return true;
    }
  }
  return false;
}

class ActionImpl final : public Action {
 public:
  ActionImpl(Engine* engine, ActionHost* host, const CallerContext* context,
             const plan::Step* step, TaskFrame frame, vtask::v1::ActionRef ref)
      : engine_(engine),
        host_(host),
        context_(context),
        step_(step),
        frame_(std::move(frame)),
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
    kRunning,    // the process, ours or the shim's
    kEnding,     // exited: draining, collecting, storing
    kDone,
  };

  void TransitionTo(State state) { state_ = state; }
  cache::ActionKey Key() const {
    return {step_->description, context_->root, step_->tool_env,
            step_->position};
  }
  std::string FlightKey() const {
    return absl::StrCat(context_->root, absl::string_view("\0", 1), step_->cwd,
                        absl::string_view("\0", 1), weak_.AsBytes());
  }

  void Echo();
  void Acquire();
  void LookUp();
  void OnFound(Found found);
  void Replay(Found found);
  void RunOnShim();
  void RunHere();
  RunningAction Describe() const;
  void OnOutput(bool is_stderr, absl::string_view data);
  void OnEnd(TaskEnd end);
  void NoteTerminalNeeds();
  std::optional<NotStored> ReasonNotToCollect() const;
  void CollectAndStore();
  void Finish(ActionFinished::Outcome outcome, int exit_code);

  void EmitStarted(vtask::v1::CacheStatus cache, const Found* found);
  void EmitOutput(bool is_stderr, std::string data, bool replayed);

  Engine* const engine_;
  ActionHost* const host_;
  const CallerContext* const context_;
  const plan::Step* const step_;
  const TaskFrame frame_;
  const vtask::v1::ActionRef ref_;
  const ActionId id_;

  State state_ = State::kCreated;
  bool cancelled_ = false;
  bool waited_ = false;
  bool holds_key_ = false;
  base::Digest weak_;
  std::optional<storage::Value> globs_before_;

  // While running: ours, or the shim's.
  std::unique_ptr<TaskProcess> process_;
  pid_t shim_pid_ = 0;
  absl::Time shim_started_;
  std::vector<storage::LogChunk> log_;
  size_t log_size_ = 0;

  // While ending.
  TaskEnd end_;
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
  weak_ = fingerprint::WeakFingerprint(step_->description);
  const std::string key = FlightKey();
  if (context_->enclosing.held_keys.contains(key)) {
    // It would wait for itself for ever (decisions H2).
    std::vector<std::string> chain;
    for (const auto& [held, label] : context_->enclosing.held_keys) {
      chain.push_back(label);
    }
    EmitStarted(vtask::v1::MISS, nullptr);
    finished_.set_error(
        absl::StrCat("the task runs itself: ", absl::StrJoin(chain, " -> "),
                     " -> ", ref_.label()));
    Finish(ActionFinished::SPAWN_FAILED, 1);
    return;
  }
  holds_key_ = true;
  TransitionTo(State::kWaiting);
  if (engine_->in_flight.Acquire(key, id_, [this] {
        waited_ = true;
        LookUp();
      })) {
    LookUp();
  }
}

void ActionImpl::LookUp() {
  TransitionTo(State::kLookingUp);
  engine_->workers->Run(
      [key = Key(), cache = engine_->cache,
       wants_details = context_->wants_details] {
        Found found;
        found.lookup = cache->Lookup(key);
        if (wants_details) {
          found.details = cache->Describe(key, found.lookup);
        }
        if (found.lookup.hit.has_value()) {
          const cache::Hit& hit = *found.lookup.hit;
          absl::StatusOr<std::vector<storage::LogChunk>> log =
              cache->ReadLog(hit);
          absl::Status restored = log.status();
          if (restored.ok()) {
            found.log = *std::move(log);
            restored = cache->Restore(key, hit, &found.notes);
          }
          found.restored = restored.ok();
          if (!found.restored) {
            found.notes.push_back(
                absl::StrCat("a recorded result could not be restored, so it "
                             "runs: ",
                             restored.message()));
          }
        }
        if (!found.restored && HasPositiveGlob(key.description.input())) {
          storage::Observation globs;
          globs.set_kind(storage::Observation::GLOB);
          *globs.mutable_globs() = key.description.input().globs();
          fingerprint::World world;
          world.root = key.root;
          world.files = &cache->files();
          found.globs_before = fingerprint::Observe(globs, world);
        }
        return found;
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
  if (found.restored) {
    Replay(std::move(found));
    return;
  }
  if (!found.lookup.miss.note.empty()) {
    finished_.add_notes(found.lookup.miss.note);
  }
  globs_before_ = std::move(found.globs_before);
  EmitStarted(vtask::v1::MISS, &found);
  RunHere();
}

void ActionImpl::Replay(Found found) {
  EmitStarted(vtask::v1::HIT, &found);
  for (storage::LogChunk& chunk : found.log) {
    EmitOutput(chunk.is_stderr(), std::move(*chunk.mutable_data()),
               /*replayed=*/true);
  }
  finished_.set_saved_us(found.lookup.hit->result.duration_us());
  finished_.set_stored(true);
  Finish(ActionFinished::SUCCEEDED, 0);
}

// ---------------------------------------------------------------- running

void ActionImpl::RunOnShim() {
  TransitionTo(State::kRunning);
  shim_started_ = absl::Now();
  vtask::v1::RunResponse::Execute execute;
  execute.set_id(ref_.index());
  execute.set_program(step_->program);
  for (const std::string& argument : step_->argv) {
    execute.add_argv(argument);
  }
  for (const std::string& entry : step_->env) {
    execute.add_env(entry);
  }
  execute.add_env(ActionMarker(id_));
  execute.add_env(
      absl::StrCat("VT_CACHE_DIR=", engine_->options.cache_directory));
  execute.set_cwd(step_->cwd);
  engine_->running[id_] = Describe();
  host_->Execute(std::move(execute));
}

void ActionImpl::Executed(const vtask::v1::RunRequest::Executed& answer) {
  if (state_ != State::kRunning) {
    return;
  }
  if (answer.running()) {
    shim_pid_ = static_cast<pid_t>(answer.pid());
    engine_->running[id_].pid = shim_pid_;
    if (cancelled_) {
      ::kill(shim_pid_, SIGTERM);
    }
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
  running.chain = context_->enclosing.chain;
  running.chain.push_back(frame_);
  running.held_keys = context_->enclosing.held_keys;
  if (holds_key_) {
    running.held_keys[FlightKey()] = ref_.label();
  }
  return running;
}

void ActionImpl::RunHere() {
  TransitionTo(State::kRunning);
  TaskProcess::Hooks hooks;
  hooks.on_output = [this](bool is_stderr, absl::string_view data) {
    OnOutput(is_stderr, data);
  };
  hooks.on_end = [this](TaskEnd end) { OnEnd(std::move(end)); };
  absl::StatusOr<std::unique_ptr<TaskProcess>> process = TaskProcess::Start(
      engine_, *context_, *step_, Describe(), std::move(hooks));
  if (process.ok()) {
    process_ = *std::move(process);
    return;
  }
  finished_.set_error(std::string(process.status().message()));
  Finish(ActionFinished::SPAWN_FAILED, 1);
}

void ActionImpl::OnOutput(bool is_stderr, absl::string_view data) {
  if (step_->cached) {
    log_size_ += data.size();
    if (log_size_ > kMaxLog) {
      log_.clear();
    } else if (!log_.empty() && log_.back().is_stderr() == is_stderr) {
      log_.back().mutable_data()->append(data.data(), data.size());
    } else {
      storage::LogChunk& chunk = log_.emplace_back();
      chunk.set_is_stderr(is_stderr);
      chunk.set_data(std::string(data));
    }
  }
  EmitOutput(is_stderr, std::string(data), /*replayed=*/false);
}

void ActionImpl::Cancel(int signal) {
  cancelled_ = true;
  if (state_ == State::kWaiting) {
    Finish(ActionFinished::CANCELLED, 130);
  } else if (process_ != nullptr) {
    process_->Cancel(signal);
  } else if (shim_pid_ > 0) {
    // A Ctrl-C it has from its terminal, and may want to go on.
    if (signal != SIGINT && signal != SIGQUIT) {
      ::kill(shim_pid_, SIGTERM);
    }
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
  end_ = std::move(end);
  NoteTerminalNeeds();
  if (cancelled_) {
    Finish(ActionFinished::CANCELLED, end_.status.code);
  } else if (end_.status.code != 0) {
    finished_.mutable_not_stored()->set_reason(NotStored::FAILED);
    Finish(ActionFinished::FAILED, end_.status.code);
  } else if (!step_->cached) {
    Finish(ActionFinished::SUCCEEDED, 0);
  } else {
    CollectAndStore();
  }
}

// Decisions H18.
void ActionImpl::NoteTerminalNeeds() {
  if (!end_.accesses.has_value()) {
    return;
  }
  if (end_.accesses->opened_terminal) {
    finished_.add_notes(
        "it asked for a terminal, which a cached task does not have; set "
        "`cache: false` for interactive tasks");
  } else if (cancelled_ && !end_.accesses->listeners.empty()) {
    finished_.add_notes(
        "it was serving; set `cache: false` for servers, so that they own the "
        "terminal");
  }
}

std::optional<NotStored> ActionImpl::ReasonNotToCollect() const {
  NotStored why;
  if (end_.had_nested_run) {
    why.set_reason(NotStored::INNER_NOT_STORED);
    why.set_text("the task started `vt run` itself");
  } else if (engine_->cache == nullptr) {
    why.set_reason(NotStored::STORE_FAILED);
    why.set_text(engine_->cache_error);
  } else if (engine_->draining) {
    why.set_reason(NotStored::STORE_FAILED);
    why.set_text("the daemon is being replaced");
  } else if (log_size_ > kMaxLog) {
    why.set_reason(NotStored::DEVICE_OR_LIMIT);
    why.set_text("it wrote more than 64 MiB to the terminal");
  } else {
    return std::nullopt;
  }
  return why;
}

void ActionImpl::CollectAndStore() {
  if (std::optional<NotStored> why = ReasonNotToCollect()) {
    *finished_.mutable_not_stored() = *std::move(why);
    Finish(ActionFinished::SUCCEEDED, 0);
    return;
  }
  struct Stored {
    std::optional<NotStored> why;
    std::vector<std::string> notes;
  };
  engine_->workers->Run(
      [this, cache = engine_->cache] {
        CollectInput input;
        input.root = context_->root;
        input.description = &step_->description;
        input.accesses = end_.accesses.has_value() ? &*end_.accesses : nullptr;
        input.reports = &end_.reports;
        input.user_untracked = step_->user_untracked;
        input.globs_before = globs_before_;
        input.files = &cache->files();
        input.is_own_output = [&](const std::string& path,
                                  const base::Digest& digest) {
          return cache->IsOwnOutput(weak_, path, digest);
        };
        Collected collected = Collect(input);
        Stored stored{std::move(collected.not_stored),
                      std::move(collected.notes)};
        if (!stored.why.has_value()) {
          collected.action.log = std::move(log_);
          collected.action.started = end_.started;
          collected.action.started_file_clock_ns = end_.started_file_clock_ns;
          collected.action.duration = end_.duration;
          stored.why = cache->Store(Key(), collected.action);
        }
        return stored;
      },
      [this](Stored stored) {
        for (const std::string& note : stored.notes) {
          finished_.add_notes(note);
        }
        finished_.set_stored(!stored.why.has_value());
        if (stored.why.has_value()) {
          *finished_.mutable_not_stored() = *std::move(stored.why);
        }
        Finish(ActionFinished::SUCCEEDED, 0);
      });
}

void ActionImpl::Finish(ActionFinished::Outcome outcome, int exit_code) {
  const bool was_started =
      state_ != State::kWaiting && state_ != State::kLookingUp;
  // A cancelled lookup was never shown as started, a hit was.
  const bool show = was_started || outcome == ActionFinished::SUCCEEDED;
  TransitionTo(State::kDone);
  if (holds_key_) {
    holds_key_ = false;
    engine_->in_flight.Release(FlightKey(), id_);
  }
  if (outcome == ActionFinished::CANCELLED) {
    finished_.mutable_not_stored()->set_reason(NotStored::CANCELLED);
  }
  finished_.set_action_index(ref_.index());
  finished_.set_outcome(outcome);
  finished_.set_exit_code(exit_code);
  finished_.set_duration_us(absl::ToInt64Microseconds(end_.duration));
  if (show) {
    RunEvent event;
    *event.mutable_action_finished() = finished_;
    host_->Emit(std::move(event));
  }
  host_->ActionDone(
      ref_.index(),
      outcome == ActionFinished::SUCCEEDED   ? ActionOutcome::kSucceeded
      : outcome == ActionFinished::CANCELLED ? ActionOutcome::kCancelled
                                             : ActionOutcome::kFailed,
      exit_code);
}

void ActionImpl::EmitStarted(vtask::v1::CacheStatus cache, const Found* found) {
  RunEvent event;
  ActionStarted* started = event.mutable_action_started();
  *started->mutable_action() = ref_;
  started->set_cache(cache);
  started->set_waited(waited_);
  if (found != nullptr) {
    const cache::Miss& miss = found->lookup.miss;
    started->mutable_differences()->Assign(miss.differences.begin(),
                                           miss.differences.end());
    started->set_changes_partial(miss.partial);
    started->mutable_unchanged()->Assign(found->details.unchanged.begin(),
                                         found->details.unchanged.end());
    started->mutable_outputs()->Assign(found->details.outputs.begin(),
                                       found->details.outputs.end());
  }
  host_->Emit(std::move(event));
}

void ActionImpl::EmitOutput(bool is_stderr, std::string data, bool replayed) {
  RunEvent event;
  ActionOutput* output = event.mutable_action_output();
  output->set_action_index(ref_.index());
  output->set_stream(is_stderr ? ActionOutput::STDERR : ActionOutput::STDOUT);
  output->set_data(std::move(data));
  output->set_replayed(replayed);
  host_->Emit(std::move(event));
}

}  // namespace

std::unique_ptr<Action> Action::Create(Engine* engine, ActionHost* host,
                                       const CallerContext* context,
                                       const plan::Step* step, TaskFrame frame,
                                       vtask::v1::ActionRef ref) {
  return std::make_unique<ActionImpl>(engine, host, context, step,
                                      std::move(frame), std::move(ref));
}

}  // namespace vt::run
