// SPDX-License-Identifier: Apache-2.0

#include "daemon/run/session.h"

#include <csignal>
#include <optional>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"

#include "daemon/base/path.h"
#include "daemon/base/version.h"
#include "daemon/loop/fd_watch.h"
#include "daemon/migrate/migrate.h"
#include "daemon/plan/command_line.h"
#include "daemon/plan/plan.h"
#include "daemon/report/ansi.h"
#include "daemon/report/renderer.h"
#include "daemon/report/texts.h"
#include "daemon/run/action.h"
#include "daemon/run/answer.h"
#include "daemon/run/cache_session.h"
#include "daemon/run/caller.h"
#include "daemon/run/config_load.h"
#include "daemon/run/execution.h"
#include "daemon/run/explain.h"
#include "daemon/run/live_line.h"
#include "daemon/run/memo.h"
#include "daemon/run/nested_run.h"
#include "daemon/run/planning.h"
#include "daemon/run/run_log.h"
#include "daemon/run/selection.h"
#include "daemon/run/trace_session.h"
#include "daemon/watch/computation.h"

namespace vt::run {
namespace {

using vtask::v1::ActionStarted;
using vtask::v1::Notice;
using vtask::v1::RunEvent;
using vtask::v1::RunResponse;

class SessionImpl final : public Session, private RunStream {
 public:
  SessionImpl(RunId id, Engine* engine, vtask::v1::RunStart start,
              absl::StatusOr<plan::Command> command, RunSink* sink, Hooks hooks)
      : id_(id),
        engine_(engine),
        start_(std::move(start)),
        command_(std::move(command)),
        sink_(sink),
        hooks_(std::move(hooks)),
        facts_(FactsOf(start_.caller())),
        context_(ContextOf(start_.caller())),
        memo_(engine) {}

  void Start() override;
  void Signal(int number) override;
  void Stdin(absl::string_view data, bool eof) override;
  void Resized(const vtask::v1::Terminal& terminal) override;
  void FileOpened(const std::string&) override {}
  void Executed(const vtask::v1::RunRequest::Executed& answer) override;
  void SinkDrained() override { SetPaused(false); }
  void CallerGone() override;
  vtask::v1::RunInfo info() const override {
    return InfoOf(id_, start_, root_, started_);
  }
  const std::string& workspace_root() const override { return root_; }

 private:
  void StartMigration(const plan::MigrateFlags& flags);
  void StartRun(plan::RunFlags flags);
  // Says what an equal run said before, if nothing has changed since.
  bool AnswerAsBefore();
  void OnLoaded(absl::StatusOr<LoadedWorkspace> loaded);
  // Lets the user choose a task, and goes on with it.
  void StartSelection(std::string notice, std::string query);
  void OnSelected(const std::optional<plan::ListedTask>& choice);
  void StartPlanning();
  void HideJobserver();
  void OnPlanned(absl::StatusOr<PlannedRun> planned);
  // Once it is known how much is to be run.
  void StartRendering();
  void SetPaused(bool paused);
  void OnRunDone();
  void End(int exit_code);
  void Send(RunResponse response) { sink_->Send(std::move(response)); }
  void Write(bool is_stderr, std::string bytes) {
    memo_.NoteWritten(is_stderr, bytes);
    SendText(is_stderr, std::move(bytes), sink_);
  }
  void FailPlanning(const absl::Status& status);
  std::string EnvOf(const std::string& name) const {
    const auto found = facts_.env.find(name);
    return found == facts_.env.end() ? "" : found->second;
  }
  std::string LastRuns() const { return RunsDirectory(*engine_); }

  // RunStream:
  uint32_t NextIndex() override { return next_index_++; }
  void Emit(RunEvent event) override;
  void Execute(RunResponse::Execute execute) override;
  void RestsOn(KnownHitPtr hit) override { memo_.RestsOn(std::move(hit)); }

  const RunId id_;
  Engine* const engine_;
  vtask::v1::RunStart start_;  // its terminal changes
  absl::StatusOr<plan::Command> command_;
  RunSink* const sink_;
  const Hooks hooks_;
  plan::CallerFacts facts_;
  CallerContext context_;
  const absl::Time started_ = absl::Now();

  plan::RunFlags flags_;
  report::RenderOptions render_options_;
  std::unique_ptr<report::Renderer> renderer_;
  std::string root_;
  std::shared_ptr<const plan::Plan> plan_;
  std::unique_ptr<NestedRun> nested_;        // if it was started from a task
  std::unique_ptr<ConfigLoad> config_load_;  // first
  WorkspacePtr workspace_;                   // what it found
  std::unique_ptr<Selection> selection_;     // while the user chooses
  std::unique_ptr<Execution> execution_;     // once it is planned
  std::unique_ptr<LiveLine> live_line_;      // in a terminal
  uint32_t next_index_ = 1;
  uint64_t sequence_ = 0;
  // Work for the session as a whole is on the pool: planning, or the last
  // words.
  bool busy_ = false;
  bool ended_ = false;
  int interrupts_ = 0;
  int running_actions_ = 0;  // as events tell
  std::unique_ptr<loop::Timer> kill_timer_;
  std::optional<int> first_failure_;
  vtask::v1::RunFinished totals_;
  vtask::v1::RunRecord record_;
  Memo memo_;
};

void SessionImpl::Start() {
  if (!command_.ok()) {
    Write(/*is_stderr=*/true,
          absl::StrCat("error: ", command_.status().message(), "\n"));
    End(2);
  } else if (const auto* text = std::get_if<plan::PrintText>(&*command_)) {
    Write(/*is_stderr=*/false, text->text);
    End(text->exit_code);
  } else if (const auto* flags = std::get_if<plan::MigrateFlags>(&*command_)) {
    StartMigration(*flags);
  } else {
    StartRun(std::get<plan::RunFlags>(*std::move(command_)));
  }
}

void SessionImpl::StartMigration(const plan::MigrateFlags& flags) {
  busy_ = true;
  migrate::MigrateOptions options;
  options.dry_run = flags.dry_run;
  options.force = flags.force;
  options.move_scripts = flags.move_scripts;
  options.from = flags.from;
  options.umask = static_cast<mode_t>(start_.caller().umask());
  options.schema = base::JoinPath(engine_->options.schema_directory,
                                  "vite-task.schema.json");
  options.home = EnvOf("HOME");
  engine_->workers->Run(
      [cwd = facts_.cwd, options] { return migrate::Migrate(cwd, options); },
      [this](absl::StatusOr<std::string> text) {
        if (text.ok()) {
          Write(/*is_stderr=*/false, *std::move(text));
          End(0);
        } else {
          FailPlanning(text.status());
        }
      });
}

void SessionImpl::StartRun(plan::RunFlags flags) {
  flags_ = std::move(flags);
  render_options_ = RenderOptionsOf(start_, facts_.env);
  render_options_.verbose = flags_.verbose;
  render_options_.schemas =
      base::FileUrl(engine_->options.schema_directory + "/");
  render_options_.log =
      flags_.log == plan::LogMode::kLabeled   ? report::LogMode::kLabeled
      : flags_.log == plan::LogMode::kGrouped ? report::LogMode::kGrouped
                                              : report::LogMode::kInterleaved;
  context_.wants_details = flags_.verbose >= 2;
  const std::string verify = EnvOf("VT_VERIFY");
  if (!verify.empty() && verify != "stat") {
    FailPlanning(absl::InvalidArgumentError(absl::StrCat(
        "VT_VERIFY: found `", verify, "`, expected `stat` or nothing")));
    return;
  }
  context_.verify_by_stat = !verify.empty();
  nested_ = NestedRun::Enter(engine_, static_cast<pid_t>(start_.pid()),
                             EnvOf("VT_ACTION"),
                             absl::StrJoin(Strings(start_.argv()), " "));
  if (nested_ != nullptr) {
    context_.enclosing = nested_->enclosing();
    facts_.inside = context_.enclosing.chain;
    // it would stand in the midst of the outer run's output.
    render_options_.summary =
        EnvOf("VP_RUN").empty() ||
        !nested_->SharesOutput(static_cast<pid_t>(start_.pid()));
  }
  if (AnswerAsBefore()) {
    return;
  }
  busy_ = true;
  ConfigLoad::Hooks hooks;
  hooks.on_output = [this](absl::string_view text) {
    Write(/*is_stderr=*/true, std::string(text));
  };
  hooks.on_done = [this](absl::StatusOr<LoadedWorkspace> loaded) {
    OnLoaded(std::move(loaded));
  };
  config_load_ = ConfigLoad::Start(engine_, facts_, context_, std::move(hooks));
}

bool SessionImpl::AnswerAsBefore() {
  if (context_.verify_by_stat || nested_ != nullptr || start_.events_only() ||
      start_.want_events() || context_.wants_details) {
    return false;
  }
  const KnownRunPtr known = memo_.Begin(start_, hooks_.is_observed());
  if (known == nullptr) {
    return false;
  }
  root_ = known->root;
  for (const KnownRun::Piece& piece : known->output) {
    SendText(piece.is_stderr, piece.bytes, sink_);
  }
  engine_->run_log->Keep(
      [known, id = id_, pid = start_.pid(), cache = engine_->cache] {
        NoteUse(*known, cache);
        return RecordAgain(*known, id, pid, absl::Now());
      });
  End(0);
  return true;
}

void SessionImpl::OnLoaded(absl::StatusOr<LoadedWorkspace> loaded) {
  config_load_ = nullptr;
  if (!loaded.ok()) {
    OnPlanned(loaded.status());
    return;
  }
  if (flags_.verbose >= 2 && !loaded->not_stored.empty()) {
    Write(/*is_stderr=*/true,
          absl::StrCat("vite.config: its evaluation was not stored: ",
                       loaded->not_stored, "\n"));
  }
  workspace_ = std::move(loaded->workspace);
  facts_.settings = std::move(loaded->settings);
  ShareMachine(engine_, facts_.settings);
  HideJobserver();
  memo_.RestsOn(loaded->rests_on);
  if (!flags_.task.has_value() && !flags_.json && !flags_.last_details &&
      !flags_.explain.has_value() && interrupts_ == 0 &&
      CanSelect(start_, EnvOf("TERM"))) {
    StartSelection("", "");
  } else {
    StartPlanning();
  }
}

void SessionImpl::StartSelection(std::string notice, std::string query) {
  busy_ = false;
  memo_.Drop();  // what will be chosen
  Selection::Options options;
  options.terminal = start_.terminal();
  options.colour = render_options_.colour_stdout;
  options.notice = std::move(notice);
  options.query = std::move(query);
  Selection::Hooks hooks;
  hooks.send = [this](RunResponse response) { Send(std::move(response)); };
  hooks.on_done = [this](const std::optional<plan::ListedTask>& choice) {
    OnSelected(choice);
  };
  selection_ =
      std::make_unique<Selection>(engine_->loop, *workspace_, facts_.cwd,
                                  std::move(options), std::move(hooks));
}

void SessionImpl::OnSelected(const std::optional<plan::ListedTask>& choice) {
  selection_ = nullptr;
  if (!choice.has_value() || interrupts_ > 0) {
    End(130);
    return;
  }
  Write(/*is_stderr=*/false,
        absl::StrCat(report::Paint("Selected task:", report::Style::kStrong,
                                   render_options_.colour_stdout),
                     " ", report::Printable(choice->label), "\n"));
  // As if it had been asked for in its package.
  flags_.task = choice->name;
  facts_.cwd =
      workspace_->packages[static_cast<size_t>(choice->package)].directory;
  StartPlanning();
}

// What a task around us was offered is no input of ours: its name says where
// our cache is.
void SessionImpl::HideJobserver() {
  if (engine_->jobserver != nullptr &&
      EnvOf("MAKEFLAGS") == engine_->jobserver->MakeFlags()) {
    facts_.env.erase("MAKEFLAGS");
  }
}

void SessionImpl::StartPlanning() {
  busy_ = true;
  if (const KnownPlan* known = memo_.FindPlan(workspace_)) {
    PlannedRun planned;
    planned.root = workspace_->root;
    planned.plan = known->plan;
    planned.lease = known->lease;
    OnPlanned(std::move(planned));
    return;
  }
  engine_->workers->Run(
      [this, cache = engine_->cache] {
        if (flags_.last_details || flags_.explain.has_value()) {
          engine_->run_log->Settle();
        }
        watch::Computation computation(
            context_.verify_by_stat ? nullptr : engine_->options.watcher);
        absl::StatusOr<PlannedRun> planned = PlanRun(
            workspace_, flags_, facts_, cache, LastRuns(), render_options_);
        if (planned.ok() && !planned->text.has_value()) {
          planned->lease = computation.Finish(planned->root);
        }
        if (planned.ok() && planned->plan != nullptr && nested_ != nullptr &&
            cache != nullptr) {
          planned->inputs = ObservePlan(*workspace_, flags_, facts_.cwd,
                                        *planned->plan, &cache->files());
        }
        return planned;
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
  if (planned->task_unknown && CanSelect(start_, EnvOf("TERM"))) {
    StartSelection(absl::StrCat("Task \"", *flags_.task, "\" not found."),
                   *flags_.task);
    return;
  }
  if (planned->plan != nullptr) {
    for (const std::string& warning : planned->plan->warnings) {
      Write(/*is_stderr=*/true, absl::StrCat(warning, "\n"));
    }
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
  memo_.KeepPlan({workspace_, planned->lease, planned->plan});
  memo_.RestsOn(std::move(planned->lease));
  context_.root = root_;
  plan_ = std::move(planned->plan);
  if (nested_ != nullptr) {
    nested_->Planned(root_, std::move(planned->inputs));
  }
  StartRendering();
  RunEvent event;
  vtask::v1::RunStarted* started = event.mutable_run_started();
  started->set_workspace_root(root_);
  for (const std::string& argument : start_.argv()) {
    started->add_argv(argument);
  }
  started->set_pid(start_.pid());
  Emit(std::move(event));
  Execution::Hooks hooks;
  hooks.on_done = [this](ActionOutcome /*told by events*/) { OnRunDone(); };
  execution_ = std::make_unique<Execution>(
      engine_, static_cast<RunStream*>(this), &context_, plan_.get(),
      context_.enclosing.chain, std::move(hooks));
  execution_->Start();
}

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

}  // namespace

std::unique_ptr<Session> Session::Create(RunId id, Engine* engine,
                                         vtask::v1::RunStart start,
                                         RunSink* sink, Hooks hooks) {
  absl::StatusOr<plan::Command> command =
      plan::ParseCommandLine(Strings(start.argv()));
  if (command.ok() && std::holds_alternative<plan::CacheFlags>(*command)) {
    return MakeCacheSession(id, engine, std::move(start),
                            std::get<plan::CacheFlags>(*std::move(command)),
                            sink, std::move(hooks));
  }
  if (command.ok() && std::holds_alternative<plan::TraceFlags>(*command)) {
    return MakeTraceSession(id, engine, std::move(start),
                            std::get<plan::TraceFlags>(*std::move(command)),
                            sink, std::move(hooks));
  }
  return std::make_unique<SessionImpl>(
      id, engine, std::move(start), std::move(command), sink, std::move(hooks));
}

}  // namespace vt::run
