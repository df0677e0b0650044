// SPDX-License-Identifier: Apache-2.0

#include "daemon/run/trace_session.h"

#include <algorithm>
#include <csignal>
#include <optional>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"

#include "daemon/base/find_program.h"
#include "daemon/base/status.h"
#include "daemon/loop/fd_watch.h"
#include "daemon/run/action.h"
#include "daemon/run/answer.h"
#include "daemon/run/caller.h"
#include "daemon/run/task_process.h"
#include "daemon/run/trace_report.h"
#include "daemon/workspace/members.h"

namespace vt::run {
namespace {

using vtask::v1::RunResponse;

// What the command needs, found on the worker pool.
struct Prepared {
  plan::Step step;
  std::string root;
  bool is_workspace = false;
};

// Blocking. FAILED_PRECONDITION: there is no such program.
absl::StatusOr<Prepared> Prepare(const plan::TraceFlags& flags,
                                 const vtask::v1::Caller& caller) {
  Prepared prepared;
  const plan::CallerFacts facts = FactsOf(caller);
  plan::Step& step = prepared.step;
  step.argv = flags.command;
  step.cwd = facts.cwd;
  step.env =
      plan::SharedEnv(std::make_shared<const base::EnvMap>(facts.env), {});
  const auto path = facts.env.find("PATH");
  step.program = base::FindProgram(
      flags.command[0], path == facts.env.end() ? "" : path->second, facts.cwd);
  if (step.program.empty()) {
    return absl::FailedPreconditionError(
        absl::StrCat("`", flags.command[0], "` was not found",
                     flags.command[0].find('/') == std::string::npos
                         ? " on PATH"
                         : ", or is no program"));
  }
  absl::StatusOr<workspace::Root> root = workspace::FindRoot(facts.cwd);
  prepared.is_workspace = root.ok();
  prepared.root = root.ok() ? std::move(root->directory) : facts.cwd;
  return prepared;
}

class TraceSession final : public Session {
 public:
  TraceSession(RunId id, Engine* engine, vtask::v1::RunStart start,
               plan::TraceFlags flags, RunSink* sink, Hooks hooks)
      : id_(id),
        engine_(engine),
        start_(std::move(start)),
        flags_(std::move(flags)),
        sink_(sink),
        hooks_(std::move(hooks)),
        context_(ContextOf(start_.caller())) {}

  void Start() override;
  void Signal(int number) override;
  void Stdin(absl::string_view, bool) override {}
  void Resized(const vtask::v1::Terminal&) override {}
  void Executed(const vtask::v1::RunRequest::Executed&) override {}
  void FileOpened(const std::string& error) override;
  void SinkDrained() override { SetPaused(false); }
  void CallerGone() override;
  vtask::v1::RunInfo info() const override {
    return InfoOf(id_, start_, context_.root, started_);
  }
  const std::string& workspace_root() const override { return context_.root; }

 private:
  enum class State {
    kPreparing,     // until the worker pool has answered
    kAwaitingFile,  // the caller opens it
    kRunning,       // the process
    kReporting,     // on the worker pool
    kEnded,
  };
  void TransitionTo(State state) { state_ = state; }

  // Where a piece of output goes.
  enum class Stream { kStdout, kStderr, kFile };

  std::optional<std::string> ReasonToRefuse() const;
  void OnPrepared(absl::StatusOr<Prepared> prepared);
  void Spawn();
  void OnEnd(TaskEnd end);
  Stream ReportStream() const;
  void Write(Stream stream, std::string bytes);
  void SetPaused(bool paused);
  void Fail(absl::string_view message, int exit_code);
  void End(int exit_code);

  const RunId id_;
  Engine* const engine_;
  const vtask::v1::RunStart start_;
  const plan::TraceFlags flags_;
  RunSink* const sink_;
  const Hooks hooks_;
  CallerContext context_;
  const absl::Time started_ = absl::Now();

  State state_ = State::kPreparing;
  Prepared prepared_;
  track::Tier tier_;
  std::unique_ptr<TaskProcess> process_;
  std::unique_ptr<loop::Timer> kill_timer_;
  int interrupts_ = 0;
};

std::optional<std::string> TraceSession::ReasonToRefuse() const {
  const base::EnvMap env = FactsOf(start_.caller()).env;
  const auto marker = env.find("VT_ACTION");
  const RunningAction* enclosing =
      start_.pid() == 0
          ? nullptr
          : FindEnclosing(engine_, static_cast<pid_t>(start_.pid()),
                          marker == env.end() ? "" : marker->second);
  if (enclosing != nullptr) {
    return absl::StrCat(
        "`vt trace` does not work inside of ",
        enclosing->chain.empty()
            ? "another `vt trace`"
            : absl::StrCat("a task (", enclosing->chain.back().label, ")"),
        ": what it runs would be missing there\n* trace the command from a "
        "shell, or use `vt run -vv` for the task");
  }
  if (tier_.level > 3) {
    return absl::StrCat("files cannot be tracked on this machine: ",
                        tier_.reason);
  }
  if (flags_.output.has_value() && *flags_.output != "-" &&
      !start_.can_open_file()) {
    return std::string("this client cannot write a file: leave out --output");
  }
  return std::nullopt;
}

void TraceSession::Start() {
  tier_ = engine_->options.tier;
  if (flags_.tier > tier_.level) {
    tier_.level = flags_.tier;
    tier_.reason = "lowered by --tier";
  }
  if (const std::optional<std::string> why = ReasonToRefuse()) {
    Fail(*why, 1);
    return;
  }
  engine_->workers->Run(
      [flags = flags_, caller = start_.caller(),
       file = engine_->options.settings]() -> absl::StatusOr<Prepared> {
        VT_ASSIGN_OR_RETURN(const settings::Settings settings, file->Refresh());
        VT_ASSIGN_OR_RETURN(Prepared prepared, Prepare(flags, caller));
        prepared.step.description.set_strict_tracking(settings.strict_tracking);
        return prepared;
      },
      [this](absl::StatusOr<Prepared> prepared) {
        OnPrepared(std::move(prepared));
      });
}

void TraceSession::OnPrepared(absl::StatusOr<Prepared> prepared) {
  if (interrupts_ > 0) {
    End(130);
    return;
  }
  if (!prepared.ok()) {
    Fail(prepared.status().message(), ExitCodeOf(prepared.status()));
    return;
  }
  prepared_ = *std::move(prepared);
  context_.root = prepared_.root;
  if (ReportStream() == Stream::kFile) {
    // Before the command runs: a report that cannot be kept is no surprise for
    // the end of a long build.
    TransitionTo(State::kAwaitingFile);
    RunResponse response;
    response.set_open_file(*flags_.output);
    sink_->Send(std::move(response));
    return;
  }
  Spawn();
}

void TraceSession::FileOpened(const std::string& error) {
  if (state_ != State::kAwaitingFile) {
    return;
  }
  if (!error.empty()) {
    Fail(absl::StrCat("opening `", *flags_.output, "`: ", error), 1);
    return;
  }
  Spawn();
}

void TraceSession::Spawn() {
  TransitionTo(State::kRunning);
  TaskProcess::Hooks hooks;
  hooks.on_output = [this](bool is_stderr, absl::string_view data) {
    Write(is_stderr || (flags_.json && ReportStream() == Stream::kStdout)
              ? Stream::kStderr
              : Stream::kStdout,
          std::string(data));
    if (sink_->is_congested()) {
      SetPaused(true);
    }
  };
  hooks.on_end = [this](TaskEnd end) { OnEnd(std::move(end)); };
  RunningAction running;
  running.id = engine_->next_action++;
  Attachments attachments;
  attachments.tracking = tier_;
  absl::StatusOr<std::unique_ptr<TaskProcess>> process =
      TaskProcess::Start(engine_, context_, prepared_.step, attachments,
                         std::move(running), std::move(hooks));
  if (!process.ok()) {
    Fail(process.status().message(), 1);
    return;
  }
  process_ = *std::move(process);
}

void TraceSession::OnEnd(TaskEnd end) {
  TransitionTo(State::kReporting);
  process_ = nullptr;
  TraceReport report;
  report.command = flags_.command;
  report.cwd = prepared_.step.cwd;
  report.root = prepared_.root;
  report.is_workspace = prepared_.is_workspace;
  report.exit_code = end.status.code;
  report.interrupted = interrupts_ > 0;
  report.duration = end.duration;
  report.tier = tier_;
  report.had_nested_run = !end.accesses->daemon_callers.empty();
  report.accesses = *std::move(end.accesses);
  const int exit_code = interrupts_ > 0 ? 130 : end.status.code;
  const bool colour =
      ReportStream() == Stream::kStderr &&
      RenderOptionsOf(start_, FactsOf(start_.caller()).env).colour_stderr;
  engine_->workers->Run(
      [report = std::move(report), json = flags_.json, colour] {
        return json ? TraceJson(report) : TraceText(report, colour);
      },
      [this, exit_code](std::string text) {
        Write(ReportStream(), std::move(text));
        End(exit_code);
      });
}

TraceSession::Stream TraceSession::ReportStream() const {
  if (!flags_.output.has_value()) {
    return flags_.json ? Stream::kStdout : Stream::kStderr;
  }
  return *flags_.output == "-" ? Stream::kStdout : Stream::kFile;
}

void TraceSession::Write(Stream stream, std::string bytes) {
  if (stream != Stream::kFile) {
    SendText(stream == Stream::kStderr, std::move(bytes), sink_);
    return;
  }
  RunResponse response;
  response.set_file(std::move(bytes));
  sink_->Send(std::move(response));
}

void TraceSession::SetPaused(bool paused) {
  if (process_ != nullptr) {
    process_->SetPaused(paused);
  }
}

void TraceSession::Signal(int number) {
  ++interrupts_;
  if (state_ == State::kAwaitingFile) {
    End(130);
  } else if (process_ != nullptr) {
    process_->Cancel(number);
  }
}

void TraceSession::CallerGone() {
  Signal(SIGTERM);
  if (state_ == State::kRunning) {
    // Nobody is left to press Ctrl-C again: a second word follows by itself.
    kill_timer_ = std::make_unique<loop::Timer>(engine_->loop, absl::Seconds(1),
                                                [this] { Signal(SIGKILL); });
  }
}

void TraceSession::Fail(absl::string_view message, int exit_code) {
  Write(Stream::kStderr, absl::StrCat("error: ", message, "\n"));
  End(exit_code);
}

void TraceSession::End(int exit_code) {
  TransitionTo(State::kEnded);
  SendExit(exit_code, sink_);
  // The last word: this object may be gone when it returns.
  engine_->loop->Post([this] { hooks_.on_done(id_); });
}

}  // namespace

std::unique_ptr<Session> MakeTraceSession(RunId id, Engine* engine,
                                          vtask::v1::RunStart start,
                                          plan::TraceFlags flags, RunSink* sink,
                                          Session::Hooks hooks) {
  return std::make_unique<TraceSession>(
      id, engine, std::move(start), std::move(flags), sink, std::move(hooks));
}

}  // namespace vt::run
