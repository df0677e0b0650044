// SPDX-License-Identifier: Apache-2.0

#include "daemon/run/answer.h"

#include <utility>

namespace vt::run {

using vtask::v1::RunResponse;

vtask::v1::RunInfo InfoOf(RunId id, const vtask::v1::RunStart& start,
                          const std::string& root, absl::Time started) {
  vtask::v1::RunInfo info;
  info.set_run_id(id);
  info.set_workspace_root(root);
  *info.mutable_argv() = start.argv();
  info.set_started_unix_us(absl::ToUnixMicros(started));
  return info;
}

void SendText(bool is_stderr, std::string bytes, RunSink* sink) {
  RunResponse response;
  if (is_stderr) {
    response.set_stderr(std::move(bytes));
  } else {
    response.set_stdout(std::move(bytes));
  }
  sink->Send(std::move(response));
}

void SendExit(int exit_code, RunSink* sink) {
  RunResponse response;
  response.mutable_exit()->set_code(exit_code);
  sink->Send(std::move(response));
  sink->Finish();
}

}  // namespace vt::run
