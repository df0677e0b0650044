// SPDX-License-Identifier: Apache-2.0

#include "shim/relay.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/types.h>
#include <time.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "shim/caller.h"
#include "shim/exit_code.h"
#include "shim/start.h"

namespace vt::shim {
namespace {

// After a second Ctrl-C the daemon may be silent for this long.
constexpr int64_t kSilenceMs = 10'000;
// From SIGTERM to SIGKILL of a task on the terminal (decisions H17 has the same
// step for tasks of the daemon).
constexpr int64_t kTaskGraceMs = 5'000;

int64_t NowMs() {
  timespec now = {};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  return int64_t{now.tv_sec} * 1000 + now.tv_nsec / 1000000;
}

}  // namespace

Relay::Relay(base::UniqueFd socket, std::string keeper)
    : call_(std::move(socket), "/vtask.v1.Daemon/Run"),
      keeper_(std::move(keeper)) {}

void Relay::TransitionTo(State next) {
  state_ = next;
  if (state_ != State::kRunning) {
    // Nobody is left who draws.
    keyboard_.Leave();
    status_line_.Set("");
  }
}

RelayResult Relay::Run(const vtask::v1::RunStart& start) {
  vtask::v1::RunRequest request;
  *request.mutable_start() = start;
  Send(request);
  while (state_ != State::kDone) {
    WaitForEvents();
  }
  return std::move(result_);
}

void Relay::Send(const vtask::v1::RunRequest& request) {
  if (state_ == State::kRunning) {
    call_.Send(request);
    call_.Flush();
  }
}

void Relay::HandleMessages() {
  absl::string_view message;
  while (state_ == State::kRunning && output_.is_idle() &&
         call_.NextMessage(&message)) {
    if (give_up_at_ms_ != 0) {
      give_up_at_ms_ = NowMs() + kSilenceMs;
    }
    HandleMessage(message);
  }
  if (state_ == State::kRunning && output_.is_idle() &&
      call_.state() != GrpcCall::State::kOpen) {
    HandleEndOfCall();
  }
}

void Relay::HandleMessage(absl::string_view bytes) {
  vtask::v1::RunResponse response;
  if (!response.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) {
    result_.failure = {kExitInternal, "the daemon's answer cannot be read"};
    TransitionTo(State::kDone);
    return;
  }
  switch (response.response_case()) {
    case vtask::v1::RunResponse::kStdout:
      HandleOutput(1, response.stdout());
      break;
    case vtask::v1::RunResponse::kStderr:
      HandleOutput(2, response.stderr());
      break;
    case vtask::v1::RunResponse::kFile:
      HandleOutput(file_.get(), response.file());
      break;
    case vtask::v1::RunResponse::kOpenFile:
      OpenFile(response.open_file());
      break;
    case vtask::v1::RunResponse::kKeyboard:
      HandleKeyboard(response.keyboard());
      break;
    case vtask::v1::RunResponse::kStatusLine:
      status_line_.Set(response.status_line());
      break;
    case vtask::v1::RunResponse::kExecute:
      HandleExecute(response.execute());
      break;
    case vtask::v1::RunResponse::kReplace:
      result_.end = RelayResult::End::kReplace;
      result_.replaced = {response.replace().version(),
                          response.replace().build()};
      TransitionTo(State::kDone);
      break;
    case vtask::v1::RunResponse::kExit:
      HandleExit(response.exit().code());
      break;
    case vtask::v1::RunResponse::kEvent:
    case vtask::v1::RunResponse::RESPONSE_NOT_SET:
      break;  // not asked for, or of a newer daemon
  }
}

void Relay::HandleExecute(const vtask::v1::RunResponse::Execute& execute) {
  if (execute.signal() == 0) {
    status_line_.Mute(true);
    tasks_.push_back(TerminalTask::Start(
        execute, keeper_.empty() ? FindPrograms().keeper : keeper_,
        signals_.original_mask()));
    return;
  }
  const int number = static_cast<int>(execute.signal());
  for (const auto& task : tasks_) {
    // What we had sent it by ourselves comes back in this way.
    if (task->id() == execute.id() && number != told_tasks_) {
      task->Signal(number);
    }
  }
}

void Relay::HandleOutput(int fd, const std::string& bytes) {
  status_line_.BeforeOutput(fd, bytes);
  output_.Take(fd, bytes);
  FlushOutput();
}

void Relay::OpenFile(const std::string& name) {
  // Not waiting for a reader of a FIFO: signals must be heard.
  file_.Reset(::open(name.c_str(),
                     O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NONBLOCK,
                     0666));
  vtask::v1::RunRequest request;
  request.mutable_file_opened()->set_error(
      file_.is_valid() ? "" : std::strerror(errno));
  Send(request);
}

void Relay::FlushOutput() {
  HandleOutputError(output_.Flush());
  if (output_.is_idle()) {
    status_line_.AfterOutput();
  }
}

void Relay::HandleKeyboard(const vtask::v1::RunResponse::Keyboard& keyboard) {
  signals_.HoldStop(keyboard.on());
  keyboard_.Answered();
  if (!keyboard.on()) {
    keyboard_.Close();
  } else if (!keyboard_.Open(keyboard.farewell())) {
    HandleKeys();
  }
}

void Relay::HandleKeys() {
  vtask::v1::RunRequest request;
  auto* typed = request.mutable_stdin();
  if (!keyboard_.is_open() || !keyboard_.Read(typed->mutable_data())) {
    keyboard_.Leave();
    typed->set_eof(true);
  }
  Send(request);
}

void Relay::StopSelf() {
  keyboard_.Suspend();
  signals_.StopSelf();
  keyboard_.Resume();
  SendTerminal();
}

// The end of the call is not waited for: `exit` is the last word, and the
// daemon learns the rest from the closed connection.
void Relay::HandleExit(int code) {
  result_.end = RelayResult::End::kExit;
  result_.exit_code = ToProcessExitCode(code);
  TransitionTo(State::kExiting);
  EndTasks();
  FinishIfIdle();
}

void Relay::HandleEndOfCall() {
  if (call_.was_not_processed() && interruptions_ == 0) {
    result_.end = RelayResult::End::kNotProcessed;
    TransitionTo(State::kDone);
    return;
  }
  result_.end = RelayResult::End::kFailed;
  if (call_.was_not_processed()) {
    result_.failure = {kExitInterrupted, ""};
  } else if (call_.state() == GrpcCall::State::kLost) {
    result_.failure = {kExitUnavailable,
                       "lost the daemon (" + call_.lost_reason() + ")"};
  } else if (call_.status() == 0) {
    result_.failure = {kExitUnavailable,
                       "lost the daemon (it ended the run without a result)"};
  } else {
    result_.failure = FailureOfStatus(call_.status(), call_.status_message(),
                                      interruptions_ > 0);
  }
  TransitionTo(State::kLost);
  FinishIfIdle();
}

void Relay::FinishIfIdle() {
  if (!tasks_.empty() || !output_.is_idle() || state_ == State::kRunning) {
    return;
  }
  if (state_ == State::kExiting) {
    result_.die_by = SignalToDieBy(last_task_status_, result_.exit_code);
  } else if (state_ == State::kLost && last_task_status_ != 0) {
    // A task on the terminal has gone on without the daemon. Its failure says
    // more than ours.
    result_.failure.exit_code = CodeOfWaitStatus(last_task_status_);
  }
  TransitionTo(State::kDone);
}

void Relay::HandleSignal(const Signals::Signal& signal) {
  const int number = signal.number;
  if (number == SIGWINCH) {
    SendTerminal();
    return;
  }
  if (number == SIGTSTP) {
    StopSelf();
    return;
  }
  // The task has what was typed from the terminal, being in our process group;
  // what somebody sent to us alone it has not.
  if (signal.sent_by_process) {
    for (const auto& task : tasks_) {
      task->Signal(number);
    }
  }
  if (!tasks_.empty() && (number == SIGINT || number == SIGQUIT)) {
    // It may go on: for a REPL it is a key like others. See HandleTask.
    typed_interrupt_ = number;
    typed_interrupt_ms_ = NowMs();
    return;
  }
  told_tasks_ = number;
  SendSignal(number);
  ++interruptions_;
  if (tasks_.empty() && interruptions_ >= 2) {
    give_up_at_ms_ = NowMs() + kSilenceMs;
  }
}

void Relay::SendTerminal() {
  vtask::v1::RunRequest request;
  DescribeTerminal(request.mutable_terminal());
  Send(request);
}

void Relay::SendSignal(int number) {
  vtask::v1::RunRequest request;
  request.mutable_signal()->set_number(static_cast<uint32_t>(number));
  Send(request);
}

void Relay::HandleTask(size_t index) {
  TerminalTask& task = *tasks_[index];
  const TerminalTask::News news = task.Read();
  vtask::v1::RunRequest request;
  auto* executed = request.mutable_executed();
  executed->set_id(task.id());
  executed->set_started(news.kind != TerminalTask::News::Kind::kNotStarted);
  switch (news.kind) {
    case TerminalTask::News::Kind::kStarted:
      executed->set_running(true);
      executed->set_pid(static_cast<uint32_t>(news.pid));
      Send(request);
      return;
    case TerminalTask::News::Kind::kNotStarted:
      executed->set_error(news.error);
      break;
    case TerminalTask::News::Kind::kEnded:
      last_task_status_ = news.wait_status;
      executed->set_exit_code(CodeOfWaitStatus(news.wait_status));
      break;
  }
  tasks_.erase(tasks_.begin() + static_cast<std::ptrdiff_t>(index));
  status_line_.Mute(!tasks_.empty());
  Send(request);
  // A Ctrl-C that the task ended upon was meant for the whole run. The daemon
  // hears of it after the task's own code, which counts if nothing else is left
  // (decisions H17).
  if (tasks_.empty() && typed_interrupt_ != 0 &&
      NowMs() - typed_interrupt_ms_ < kTaskGraceMs) {
    SendSignal(std::exchange(typed_interrupt_, 0));
    ++interruptions_;
  }
  FinishIfIdle();
}

void Relay::EndTasks() {
  for (const auto& task : tasks_) {
    task->Signal(SIGTERM);
    kill_tasks_at_ms_ = NowMs() + kTaskGraceMs;
  }
}

void Relay::HandleOutputError(int error) {
  if (error == 0 || state_ == State::kDone) {
    return;
  }
  // Nobody reads: end as any program does, and the run with us.
  call_.Cancel();
  call_.Flush();
  if (error == EPIPE) {
    result_.end = RelayResult::End::kExit;
    result_.exit_code = 128 + SIGPIPE;
    struct sigaction action = {};
    if (::sigaction(SIGPIPE, nullptr, &action) == 0 &&
        action.sa_handler != SIG_IGN) {
      last_task_status_ = SIGPIPE;  // as a wait(2) status: died of it
    }
    TransitionTo(State::kExiting);
    result_.die_by = std::nullopt;
  } else {
    result_.failure = {kExitFailed,
                       std::string("writing output: ") + std::strerror(error)};
    TransitionTo(State::kLost);
  }
  EndTasks();
  FinishIfIdle();
}

void Relay::HandleTimeout() {
  const int64_t now = NowMs();
  if (give_up_at_ms_ != 0 && now >= give_up_at_ms_) {
    result_.end = RelayResult::End::kFailed;
    result_.failure = {kExitInterrupted, "the daemon does not answer; leaving"};
    TransitionTo(State::kDone);
  }
  if (kill_tasks_at_ms_ != 0 && now >= kill_tasks_at_ms_) {
    kill_tasks_at_ms_ = 0;
    for (const auto& task : tasks_) {
      task->Kill();
    }
  }
}

void Relay::WaitForEvents() {
  // First the fixed ones, then the tasks.
  constexpr size_t kTasks = 4;
  std::vector<pollfd> waits = {{signals_.fd(), POLLIN, 0},
                               {-1, 0, 0},   // the daemon
                               {-1, 0, 0},   // the output
                               {-1, 0, 0}};  // the keyboard
  if (state_ == State::kRunning) {
    waits[1].fd = call_.socket();
    waits[1].events =
        static_cast<int16_t>((output_.is_idle() ? POLLIN : 0) |
                             (call_.wants_to_write() ? POLLOUT : 0));
    if (waits[1].events == 0) {
      waits[1].fd = -1;  // else a hangup would wake us without end
    }
  }
  if (!output_.is_idle()) {
    waits[2] = {output_.fd(), POLLOUT, 0};
  }
  if (keyboard_.wants_keys()) {
    waits[3] = {keyboard_.fd(), POLLIN, 0};
  }
  for (const auto& task : tasks_) {
    waits.push_back({task->fd(), POLLIN, 0});
  }
  int64_t deadline = give_up_at_ms_;
  if (kill_tasks_at_ms_ != 0 &&
      (deadline == 0 || kill_tasks_at_ms_ < deadline)) {
    deadline = kill_tasks_at_ms_;
  }
  const int64_t timeout =
      deadline == 0 ? -1 : std::max<int64_t>(deadline - NowMs(), 0);
  const int ready =
      ::poll(waits.data(), waits.size(), static_cast<int>(timeout));
  HandleTimeout();
  if (ready <= 0 || state_ == State::kDone) {
    return;
  }
  for (Signals::Signal signal;
       waits[0].revents != 0 && (signal = signals_.Next()).number != 0;) {
    HandleSignal(signal);
  }
  if (waits[2].revents != 0) {
    FlushOutput();
    FinishIfIdle();
  }
  if (waits[1].revents != 0 && call_.wants_to_write()) {
    call_.Flush();
  }
  if (state_ == State::kRunning && (waits[1].revents & ~POLLOUT) != 0 &&
      output_.is_idle()) {
    call_.Receive();
  }
  if (waits[3].revents != 0) {
    HandleKeys();
  }
  // From the back: one that has ended leaves the list.
  for (size_t i = waits.size(); i-- > kTasks;) {
    if (waits[i].revents != 0) {
      HandleTask(i - kTasks);
    }
  }
  HandleMessages();
}

}  // namespace vt::shim
