// SPDX-License-Identifier: Apache-2.0
//
// RawClient: a client of a tool endpoint that can also write what no client
// should. TestEndpoint: an endpoint on a loop of its own.

#pragma once

#include <memory>
#include <string>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"

#include "daemon/base/env_query.h"
#include "daemon/base/mutex.h"
#include "daemon/base/unique_fd.h"
#include "daemon/ipc/tool_endpoint.h"
#include "daemon/loop/event_loop.h"
#include "tests/support/temp_dir.h"
#include "vtask/tool/v1/tool.pb.h"

namespace vt::ipc {

using vtask::tool::v1::ToolReply;
using vtask::tool::v1::ToolRequest;

// Thread-compatible. Blocking, each call for 20 s at most.
class RawClient {
 public:
  // Connects; `ok()` says whether that worked.
  explicit RawClient(const std::string& name);

  bool ok() const { return fd_.is_valid(); }
  int error() const { return error_; }
  int fd() const { return fd_.get(); }
  void Close() { fd_.Reset(); }

  // False: the other side is gone.
  bool SendBytes(absl::string_view bytes);
  bool Send(const ToolRequest& request);
  // False at the end of the stream.
  bool Receive(ToolReply* reply);
  // Sends `request` with a new id and receives its answer.
  ToolReply Ask(ToolRequest request);
  ToolReply Hello(bool want_env = false);
  // True if the stream ends before another byte.
  bool IsEnded();

 private:
  base::UniqueFd fd_;
  int error_ = 0;
  uint64_t last_id_ = 0;
};

ToolRequest IgnoreInput(const std::string& path);
ToolRequest GetEnv(const std::string& name, bool tracked);
ToolRequest GetEnvs(const std::string& glob, bool tracked);
ToolRequest GetEnvsPrefix(const std::string& prefix, bool tracked);

// Thread-compatible; destroy it on the thread of the test.
class TestEndpoint {
 public:
  explicit TestEndpoint(base::EnvMap env = {}, std::string subdirectory = "");
  ~TestEndpoint();

  const std::string& name() const { return endpoint_->name(); }
  // Begins; WaitForReports() then waits for the end.
  void StartDrain(absl::Duration limit);
  ToolReports WaitForReports();
  ToolReports Drain(absl::Duration limit = absl::Seconds(20));
  // Returns after the loop has done what it had to.
  void Settle();

 private:
  test::TempDir directory_;
  std::unique_ptr<loop::EventLoop> loop_;
  std::unique_ptr<ToolEndpoint> endpoint_;
  base::Notification drained_;
  ToolReports reports_;
};

}  // namespace vt::ipc
