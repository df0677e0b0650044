// SPDX-License-Identifier: Apache-2.0
//
// Relay: one conversation of Run: bytes down, signals and window sizes up,
// tasks on the own terminal, and how it ended.

#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "daemon/base/unique_fd.h"
#include "shim/connect.h"
#include "shim/execute.h"
#include "shim/failure.h"
#include "shim/keyboard.h"
#include "shim/output.h"
#include "shim/signals.h"
#include "shim/status_line.h"
#include "shim/transport.h"
#include "vtask/v1/daemon.pb.h"

namespace vt::shim {

// How a conversation ended. A value.
struct RelayResult {
  enum class End {
    kExit,          // with `exit_code`, or by the signal `die_by`
    kReplace,       // the daemon gives way; see `replaced`
    kNotProcessed,  // it ended before it had begun: may be tried again
    kFailed,        // see `failure`
  };
  End end = End::kFailed;
  int exit_code = 0;
  std::optional<int> die_by;
  Replaced replaced;
  Failure failure;
};

// One poll(2) loop over the connection, the signals, the output and the tasks
// on the terminal. While the output is stuck nothing more is read from the
// daemon, which then holds back the task; signals are heard all the same.
//
// Thread-compatible.
class Relay {
 public:
  // `keeper` is the path of vt-keeper; empty: where this program's own lies.
  Relay(base::UniqueFd socket, std::string keeper);

  // Sends `start` and stays until the end. Blocking.
  RelayResult Run(const vtask::v1::RunStart& start);

 private:
  enum class State {
    kRunning,
    kExiting,  // `exit` has come; tasks on the terminal are being ended
    kLost,     // no daemon any more; tasks on the terminal go on
    kDone,     // result_ is complete
  };
  void TransitionTo(State next);

  // Handles what has been received, until the output is stuck.
  void HandleMessages();
  void HandleMessage(absl::string_view bytes);
  void HandleOutput(int fd, const std::string& bytes);
  void FlushOutput();
  void OpenFile(const std::string& name);
  void HandleKeyboard(const vtask::v1::RunResponse::Keyboard& keyboard);
  void HandleKeys();
  void HandleExit(int code);
  void HandleEndOfCall();
  // Starts a task on the terminal, or signals one.
  void HandleExecute(const vtask::v1::RunResponse::Execute& execute);
  void HandleSignal(const Signals::Signal& signal);
  void HandleTask(size_t index);
  void SendSignal(int number);
  void SendTerminal();
  // Stops this process, with the terminal as it was.
  void StopSelf();
  void HandleOutputError(int error);
  void HandleTimeout();
  // kDone if nothing is left to wait for.
  void FinishIfIdle();

  void Send(const vtask::v1::RunRequest& request);
  // Asks all tasks on the terminal to end; in 5 s they are killed.
  void EndTasks();
  void WaitForEvents();

  Signals signals_;
  GrpcCall call_;
  const std::string keeper_;
  Output output_;
  base::UniqueFd file_;  // that the daemon asked for
  StatusLine status_line_;
  Keyboard keyboard_;
  std::vector<std::unique_ptr<TerminalTask>> tasks_;
  State state_ = State::kRunning;
  RelayResult result_;
  int interruptions_ = 0;    // of which the daemon was told
  int typed_interrupt_ = 0;  // the last signal left to tasks on the terminal
  int64_t typed_interrupt_ms_ = 0;
  int told_tasks_ = 0;         // the last signal passed on to tasks and daemon
  int last_task_status_ = 0;   // wait(2) status
  int64_t give_up_at_ms_ = 0;  // 0: never. Pushed on by each message
  int64_t kill_tasks_at_ms_ = 0;  // 0: never
};

}  // namespace vt::shim
