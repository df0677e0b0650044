// SPDX-License-Identifier: Apache-2.0

#include "daemon/run/session.h"

#include <csignal>
#include <optional>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

#include "daemon/base/path.h"
#include "daemon/migrate/migrate.h"
#include "daemon/report/ansi.h"
#include "daemon/report/texts.h"
#include "daemon/run/cache_session.h"
#include "daemon/run/explain.h"
#include "daemon/run/session_impl.h"
#include "daemon/run/trace_session.h"
#include "daemon/watch/computation.h"

namespace vt::run {

using vtask::v1::RunEvent;
using vtask::v1::RunResponse;

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
        watch::Computation computation(
            context_.verify_by_stat ? nullptr : engine_->options.watcher);
        absl::StatusOr<PlannedRun> planned =
            PlanRun(workspace_, flags_, facts_, cache, *engine_->run_log,
                    render_options_);
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
