// SPDX-License-Identifier: Apache-2.0

#include "daemon/run/task_process.h"

#include <unistd.h>

#include <algorithm>
#include <utility>

#include "absl/algorithm/container.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

#include "daemon/base/file_clock.h"
#include "daemon/base/path.h"
#include "daemon/base/status.h"
#include "daemon/run/action.h"
#include "daemon/run/output_pipe.h"
#include "daemon/run/stdin_pipe.h"
#include "daemon/track/preload_env.h"
#include "daemon/track/tracker.h"

namespace vt::run {
namespace {

// How long stragglers may hold the end of an action (tool-ipc D4). The idle
// limit is a guess: one that is still there after it makes the run not stored,
// so it must be more than what a loaded machine takes to end a pipeline.
constexpr absl::Duration kTraceIdle = absl::Milliseconds(500);
constexpr absl::Duration kDrain = absl::Seconds(2);

// The caller's own value of a name that we give goes: a nested cached task has
// an endpoint of its own (tool-ipc D12), and getenv(3) takes the first.
void SetVariable(absl::string_view name, absl::string_view value,
                 std::vector<std::string>* env) {
  const std::string start = absl::StrCat(name, "=");
  std::erase_if(*env, [&start](const std::string& entry) {
    return absl::StartsWith(entry, start);
  });
  env->push_back(absl::StrCat(start, value));
}

// What a file held before an action changed it; above 16 MiB it is not worth
// the wait (decisions H4).
std::optional<base::Digest> PreStateDigest(fingerprint::FileDigests* files,
                                           const std::string& root,
                                           const std::string& path) {
  constexpr uint64_t kMaxPreState = 16 << 20;
  const fingerprint::FileState look =
      files->Look(root, path, /*follow=*/false, /*want_content=*/false);
  if (look.size > kMaxPreState) {
    return std::nullopt;
  }
  return files->Look(root, path, /*follow=*/false, /*want_content=*/true)
      .content;
}

class TaskProcessImpl final : public TaskProcess {
 public:
  TaskProcessImpl(Engine* engine, Hooks hooks)
      : engine_(engine),
        hooks_(std::move(hooks)) {}

  absl::Status Spawn(const CallerContext& context, const plan::Step& step,
                     const Attachments& attachments, RunningAction running);

  void Cancel(int signal) override {
    cancelled_ = true;
    if (process_ != nullptr) {
      process_->Terminate(signal);
    }
  }
  void SetPaused(bool paused) override {
    stdout_->SetPaused(paused);
    stderr_->SetPaused(paused);
  }
  track::ChangeSink SinkForNested() override {
    return tracker_ != nullptr ? tracker_->SinkForNested() : nullptr;
  }
  void Stdin(absl::string_view data, bool eof) override {
    if (stdin_ != nullptr) {
      stdin_->Write(data, eof);
    }
  }

 private:
  absl::Status OpenPipes(bool with_stdin, exec::SpawnOptions* options);
  absl::Status OpenEndpoint(const plan::Step& step,
                            exec::SpawnOptions* options);
  absl::Status StartTracker(const std::string& root, const plan::Step& step,
                            const Attachments& attachments,
                            exec::SpawnOptions* options);
  void OnExit(exec::ExitStatus status);
  void Joined();

  Engine* const engine_;
  const Hooks hooks_;
  std::unique_ptr<OutputPipe> stdout_, stderr_;
  std::unique_ptr<StdinPipe> stdin_;
  std::unique_ptr<ipc::ToolEndpoint> endpoint_;
  std::unique_ptr<track::Tracker> tracker_;
  std::unique_ptr<exec::Process> process_;
  // Environment entry by which leftovers of this action are known.
  std::string marker_;
  ActionId id_ = 0;
  bool cancelled_ = false;
  absl::Duration tool_drain_;
  int drains_ = 0;
  TaskEnd end_;
};

absl::Status TaskProcessImpl::Spawn(const CallerContext& context,
                                    const plan::Step& step,
                                    const Attachments& attachments,
                                    RunningAction running) {
  if (step.program.empty()) {
    return absl::NotFoundError(step.program_missing);
  }
  exec::SpawnOptions options;
  options.program = step.program;
  options.argv = step.argv;
  options.env = step.env.Entries();
  options.cwd = step.cwd;
  options.umask = context.umask;
  options.nice = context.nice;
  options.limits = context.limits;
  // A timer has an end.
  tool_drain_ = std::min(step.tool_drain, absl::Hours(24));
  id_ = running.id;
  marker_ = ActionMarker(id_);
  options.env.push_back(marker_);
  SetVariable("VT_CACHE_DIR", engine_->options.cache_directory, &options.env);
  // The user's own stays. Ours is in no description: it changes nothing but how
  // many processes a tool starts.
  if (attachments.jobserver && engine_->jobserver != nullptr &&
      !absl::c_any_of(options.env, [](const std::string& entry) {
        return absl::StartsWith(entry, "MAKEFLAGS=");
      })) {
    SetVariable("MAKEFLAGS", engine_->jobserver->MakeFlags(), &options.env);
  }
  VT_RETURN_IF_ERROR(OpenPipes(attachments.stdin_pipe, &options));
  if (attachments.tool_endpoint) {
    VT_RETURN_IF_ERROR(OpenEndpoint(step, &options));
  }
  if (attachments.tracking.level < 4) {
    VT_RETURN_IF_ERROR(StartTracker(context.root, step, attachments, &options));
  }
  end_.started = absl::Now();
  end_.started_file_clock_ns = base::ReadFileClock().now_ns;
  absl::StatusOr<exec::Child> child = exec::Spawn(options);
  if (tracker_ != nullptr) {
    tracker_->SpawnReturned(child.ok());
  }
  VT_RETURN_IF_ERROR(child.status());
  stdout_->CloseWriter();
  stderr_->CloseWriter();
  if (stdin_ != nullptr) {
    stdin_->CloseReader();
  }
  running.pid = child->pid;
  running.output_pipes = {stdout_->inode(), stderr_->inode()};
  engine_->running[id_] = std::move(running);
  process_ =
      exec::Process::Watch(engine_->loop, *std::move(child),
                           [this](exec::ExitStatus status) { OnExit(status); });
  return absl::OkStatus();
}

absl::Status TaskProcessImpl::OpenPipes(bool with_stdin,
                                        exec::SpawnOptions* options) {
  const auto open = [this](bool is_stderr) {
    return OutputPipe::Open(engine_->loop,
                            [this, is_stderr](absl::string_view data) {
                              hooks_.on_output(is_stderr, data);
                            });
  };
  VT_ASSIGN_OR_RETURN(stdout_, open(/*is_stderr=*/false));
  VT_ASSIGN_OR_RETURN(stderr_, open(/*is_stderr=*/true));
  options->stdout_fd = stdout_->writer();
  options->stderr_fd = stderr_->writer();
  if (with_stdin) {
    VT_ASSIGN_OR_RETURN(stdin_, StdinPipe::Open(engine_->loop));
    options->stdin_fd = stdin_->reader();
  }
  return absl::OkStatus();
}

absl::Status TaskProcessImpl::OpenEndpoint(const plan::Step& step,
                                           exec::SpawnOptions* options) {
  ipc::ToolEndpointOptions endpoint;
  endpoint.directory = engine_->options.tool_directory;
  endpoint.env = *step.tool_env.All();
  absl::StatusOr<std::unique_ptr<ipc::ToolEndpoint>> opened =
      ipc::ToolEndpoint::Open(engine_->loop, std::move(endpoint));
  VT_RETURN_IF_ERROR(
      base::Annotate(opened.status(), "failed to set up task communication"));
  endpoint_ = *std::move(opened);
  SetVariable("VP_RUN_IPC_NAME", endpoint_->name(), &options->env);
  SetVariable("VT_IPC", endpoint_->name(), &options->env);
  if (!engine_->options.tool_addon.empty()) {
    SetVariable("VP_RUN_NODE_CLIENT_PATH", engine_->options.tool_addon,
                &options->env);
  }
  return absl::OkStatus();
}

absl::Status TaskProcessImpl::StartTracker(const std::string& root,
                                           const plan::Step& step,
                                           const Attachments& attachments,
                                           exec::SpawnOptions* options) {
  const vtask::storage::v1::WeakDescription& description = step.description;
  track::TrackerOptions tracking;
  tracking.tier = attachments.tracking;
  tracking.enclosing = attachments.enclosing;
  if (engine_->cache != nullptr) {
    tracking.digest = [files = &engine_->cache->files(),
                       root](const std::string& path) {
      return PreStateDigest(files, root, path);
    };
  }
  tracking.own_directories = {engine_->options.runtime_directory,
                              engine_->options.cache_directory};
  if (!engine_->options.tool_addon.empty()) {
    tracking.own_directories.emplace_back(
        base::Dirname(engine_->options.tool_addon));
  }
  tracking.daemon_socket = engine_->options.socket_path;
  tracking.own_services = {engine_->options.socket_path,
                           engine_->options.tool_directory};
  tracking.workspace_root = root;
  if (tracking.tier.can_sign) {
    tracking.preload = engine_->options.preload;
  }
  tracking.strict = description.strict_tracking();
  tracking.allowed_services.assign(description.services().begin(),
                                   description.services().end());
  track::AddPreload(tracking.preload, &options->env);
  tracking.entrust_listener = engine_->options.entrust_listener;
  VT_ASSIGN_OR_RETURN(tracker_, track::Tracker::Start(std::move(tracking)));
  tracker_->Prepare(options);
  return absl::OkStatus();
}

void TaskProcessImpl::OnExit(exec::ExitStatus status) {
  end_.status = status;
  end_.duration = absl::Now() - end_.started;
  const pid_t pid = process_->pid();
  if (const auto found = engine_->running.find(id_);
      found != engine_->running.end()) {
    engine_->running.erase(found);
  }
  stdout_->Finish();
  stderr_->Finish();
  stdin_ = nullptr;
  process_ = nullptr;
  drains_ = endpoint_ != nullptr ? 2 : 1;
  if (endpoint_ != nullptr) {
    endpoint_->Drain(cancelled_ ? absl::ZeroDuration() : tool_drain_,
                     [this](ipc::ToolReports reports) {
                       end_.reports = std::move(reports);
                       Joined();
                     });
  }
  engine_->workers->Run(
      [pid, marker = marker_, cancelled = cancelled_,
       tracker = tracker_.get()] {
        if (cancelled) {
          exec::KillLeftovers(pid, marker);
        }
        std::optional<track::AccessSet> accesses;
        if (tracker != nullptr) {
          accesses = tracker->Drain(kTraceIdle, kDrain);
        }
        return accesses;
      },
      [this](std::optional<track::AccessSet> accesses) {
        end_.accesses = std::move(accesses);
        Joined();
      });
}

void TaskProcessImpl::Joined() {
  if (--drains_ > 0) {
    return;
  }
  engine_->has_escapees =
      engine_->has_escapees || cancelled_ ||
      (end_.accesses.has_value() && end_.accesses->has_stragglers);
  if (engine_->has_escapees) {
    exec::ReapOrphans([this](pid_t pid) {
      return absl::c_any_of(engine_->running, [pid](const auto& running) {
        return running.second.pid == pid;
      });
    });
  }
  // Copies: the hook may destroy this object.
  const Hooks hooks = hooks_;
  end_.ended_file_clock_ns = end_.accesses.has_value()
                                 ? end_.accesses->ended_file_clock_ns
                                 : base::ReadFileClock().past_ns;
  hooks.on_end(std::move(end_));
}

}  // namespace

absl::StatusOr<std::unique_ptr<TaskProcess>> TaskProcess::Start(
    Engine* engine, const CallerContext& context, const plan::Step& step,
    const Attachments& attachments, RunningAction running, Hooks hooks) {
  auto self = std::make_unique<TaskProcessImpl>(engine, std::move(hooks));
  VT_RETURN_IF_ERROR(
      self->Spawn(context, step, attachments, std::move(running)));
  return std::unique_ptr<TaskProcess>(std::move(self));
}

}  // namespace vt::run
