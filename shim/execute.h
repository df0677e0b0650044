// SPDX-License-Identifier: Apache-2.0
//
// TerminalTask: a task that the shim runs itself, because it needs the
// terminal.
//
// It is started below the minder (daemon/keeper/mind.h), in the shim's own
// process group with the shim's own stdio: so Ctrl-C, Ctrl-Z, `fg`, pipelines
// and raw mode behave as if the user had typed the command, and nothing has to
// be relayed.

#pragma once

#include <signal.h>
#include <sys/types.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "daemon/base/unique_fd.h"
#include "vtask/v1/daemon.pb.h"

namespace vt::shim {

// Thread-compatible.
class TerminalTask {
 public:
  struct News {
    enum class Kind { kStarted, kNotStarted, kEnded };
    Kind kind = Kind::kEnded;
    pid_t pid = 0;        // kStarted
    std::string error;    // kNotStarted
    int wait_status = 0;  // kEnded
  };

  // Starts `request` with `mask` as its signal mask. What comes of it, also a
  // failure, is told by Read.
  static std::unique_ptr<TerminalTask> Start(
      const vtask::v1::RunResponse::Execute& request, const std::string& keeper,
      const sigset_t& mask);
  // Kills the task's processes if it has not ended.
  ~TerminalTask();
  TerminalTask(const TerminalTask&) = delete;
  TerminalTask& operator=(const TerminalTask&) = delete;

  uint32_t id() const { return id_; }
  int fd() const { return socket_.get(); }  // readable: call Read
  // The next news; blocking if there is none. kNotStarted and kEnded are last.
  News Read();
  // Sends `number` to the task.
  void Signal(int number);
  // Kills (SIGKILL) all its processes; kEnded follows.
  void Kill();

 private:
  TerminalTask(uint32_t id, base::UniqueFd socket, pid_t minder)
      : id_(id),
        socket_(std::move(socket)),
        minder_(minder) {}
  // Waits for the minder; its wait status.
  int ReapMinder();

  const uint32_t id_;
  base::UniqueFd socket_;
  pid_t minder_;
  bool has_started_ = false;
};

}  // namespace vt::shim
