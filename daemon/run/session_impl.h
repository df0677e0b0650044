// SPDX-License-Identifier: Apache-2.0
//
// The Session of `vt run`. For the files of session alone:
//
//   session.cc     what the caller wants, loading, planning
//   session_run.cc from then on: what happens, signals, input, the end

#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"

#include "daemon/loop/fd_watch.h"
#include "daemon/plan/command_line.h"
#include "daemon/plan/plan.h"
#include "daemon/report/renderer.h"
#include "daemon/run/answer.h"
#include "daemon/run/caller.h"
#include "daemon/run/config_load.h"
#include "daemon/run/execution.h"
#include "daemon/run/live_line.h"
#include "daemon/run/memo.h"
#include "daemon/run/nested_run.h"
#include "daemon/run/planning.h"
#include "daemon/run/run_log.h"
#include "daemon/run/selection.h"
#include "daemon/run/session.h"
#include "vtask/v1/daemon.pb.h"

namespace vt::run {

// Loop-bound.
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
  void Send(vtask::v1::RunResponse response) {
    sink_->Send(std::move(response));
  }
  void Write(bool is_stderr, std::string bytes) {
    memo_.NoteWritten(is_stderr, bytes);
    SendText(is_stderr, std::move(bytes), sink_);
  }
  void FailPlanning(const absl::Status& status);
  std::string EnvOf(const std::string& name) const {
    const auto found = facts_.env.find(name);
    return found == facts_.env.end() ? "" : found->second;
  }

  // RunStream:
  uint32_t NextIndex() override { return next_index_++; }
  void Emit(vtask::v1::RunEvent event) override;
  void Execute(vtask::v1::RunResponse::Execute execute) override;
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

}  // namespace vt::run
