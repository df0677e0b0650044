// SPDX-License-Identifier: Apache-2.0
//
// PipeRendezvous: how clients reach a ToolEndpoint where a sandbox denies them
// Unix sockets: a pair of named pipes each, announced in a common one
// (tool-ipc D1, docs/TOOL_IPC.md).

#pragma once

#include <functional>
#include <memory>
#include <string>

#include "absl/status/statusor.h"

#include "daemon/base/unique_fd.h"
#include "daemon/loop/event_loop.h"
#include "daemon/loop/fd_watch.h"

namespace vt::ipc {

// Loop-bound.
class PipeRendezvous {
 public:
  // A client's pipes, non-blocking: what it asks, and what it is answered.
  using OnClient =
      std::function<void(base::UniqueFd requests, base::UniqueFd replies)>;

  // Makes `directory` (0700, must not exist) and the pipe in it.
  //
  // Errors: as mkdir(2), mkfifo(3) and open(2), naming the file.
  static absl::StatusOr<std::unique_ptr<PipeRendezvous>> Open(
      loop::EventLoop* loop, const std::string& directory, OnClient on_client);
  PipeRendezvous(const PipeRendezvous&) = delete;
  PipeRendezvous& operator=(const PipeRendezvous&) = delete;
  // Removes the directory and what clients left in it.
  ~PipeRendezvous();

  // Takes the announcements that wait.
  void TakePending();

 private:
  PipeRendezvous(std::string directory, OnClient on_client)
      : directory_(std::move(directory)),
        on_client_(std::move(on_client)) {}
  void Admit(const std::string& id);

  const std::string directory_;
  const OnClient on_client_;
  base::UniqueFd pipe_;
  std::string pending_;
  std::unique_ptr<loop::FdWatch> watch_;
};

}  // namespace vt::ipc
