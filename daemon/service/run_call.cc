// SPDX-License-Identifier: Apache-2.0
//
// RunCall is one `Run` call: gRPC's reactor and the runner's RunSink in one.
//
// Who owns it. Two parties use it at once, and either may end first: gRPC (from
// NewRunCall to OnDone) and the loop (from Runner::Start to RunSink::Finish).
// Each holds one reference to it, in `grpc_holds_` and `loop_holds_`; closures
// posted to the loop hold their own. The last one deletes it. Neither waits for
// the other: a cancelled call is finished towards gRPC at once, while the
// runner still kills processes and goes on talking to a sink that swallows
// everything; and a finished run leaves its last bytes in the outbox, which
// gRPC drains.

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"

#include "daemon/service/calls.h"
#include "daemon/service/outbox.h"
#include "daemon/service/status.h"

namespace vt::service {
namespace {

using vtask::v1::RunRequest;
using vtask::v1::RunResponse;

// Enough to keep the wire busy, little enough to pause a task's pipe soon: a
// guess, next to the 1 MB window of the shim (shared/stack.md 1).
constexpr size_t kOutboxBound = size_t{1} << 20;
// Best size of a log message (shared/stack.md 2).
constexpr size_t kChunk = size_t{64} << 10;

// The bytes that `response` carries, if it does: those may be many.
std::string* Data(RunResponse* response) {
  switch (response->response_case()) {
    case RunResponse::kStdout:
      return response->mutable_stdout();
    case RunResponse::kStderr:
      return response->mutable_stderr();
    case RunResponse::kFile:
      return response->mutable_file();
    default:
      return nullptr;
  }
}

// Joins two pieces of output of one stream, so that a task that writes line by
// line does not cost a message a line when the client is slow.
bool MergeOutput(RunResponse* last, RunResponse* next) {
  std::string* to = Data(last);
  if (to == nullptr || last->response_case() != next->response_case()) {
    return false;
  }
  const std::string* from = Data(next);
  if (to->size() + from->size() > kChunk) {
    return false;
  }
  to->append(*from);
  return true;
}

// Thread rule: each member says on which side it lives.
class RunCall final : public RunReactor,
                      public run::RunSink,
                      public StreamOps<RunResponse>,
                      public std::enable_shared_from_this<RunCall> {
 public:
  explicit RunCall(Core* core)
      : core_(core),
        outbox_(this, kOutboxBound, &MergeOutput) {}
  ~RunCall() override = default;

  // gRPC's side.
  void Begin() {
    grpc_holds_ = shared_from_this();
    outbox_.Read();
  }
  void OnReadDone(bool ok) override;
  void OnWriteDone(bool ok) override;
  void OnCancel() override;
  void OnDone() override;

  // The loop's side.
  void Send(RunResponse response) override;
  void Finish() override;
  bool is_congested() const override { return outbox_.is_congested(); }

  // The pumper's side.
  void ReadOp() override { StartRead(&request_); }
  void WriteOp(const RunResponse* message) override { StartWrite(message); }
  void FinishOp(const grpc::Status& status) override {
    RunReactor::Finish(status);
  }

 private:
  enum class State {
    kWaiting,    // for `start`
    kRunning,    // the runner knows us
    kCancelled,  // the client is gone; the runner, if it knows us, was told
    kEnded,      // the runner has said its last word, or never heard of us
  };

  void Handle(RunRequest request);
  void HandleStart(vtask::v1::RunStart start);
  void HandleCancel();
  bool MustReplace(const vtask::v1::RunStart& start) const;
  void Refuse(const absl::Status& status);

  Core* const core_;
  Outbox<RunResponse> outbox_;
  RunRequest request_;                   // gRPC's between ReadOp and OnReadDone
  std::shared_ptr<RunCall> grpc_holds_;  // gRPC's
  std::shared_ptr<RunCall> loop_holds_;  // loop
  State state_ = State::kWaiting;        // loop
  bool counted_ = false;                 // loop
  run::RunId run_id_ = 0;                // loop
};

void RunCall::OnReadDone(bool ok) {
  if (ok) {
    core_->loop->Post(
        [self = shared_from_this(), request = std::move(request_)]() mutable {
          self->Handle(std::move(request));
          // Only now: the loop sets the pace of a client that sends much.
          self->outbox_.Read();
        });
    return;
  }
  // Half-closed, which means nothing once a run began, or cancelled.
  core_->loop->Post([self = shared_from_this()] {
    if (self->state_ == State::kWaiting) {
      self->Refuse(absl::InvalidArgumentError(
          "the call ended before its first request, `start`"));
    }
  });
}

void RunCall::OnWriteDone(bool ok) {
  if (outbox_.WriteDone(ok)) {
    core_->loop->Post([self = shared_from_this()] {
      if (self->state_ == State::kRunning) {
        self->core_->runner->SinkDrained(self->run_id_);
      }
    });
  }
}

void RunCall::OnCancel() {
  outbox_.Abort(grpc::Status::CANCELLED);
  core_->loop->Post([self = shared_from_this()] { self->HandleCancel(); });
}

void RunCall::OnDone() {
  core_->loop->Post([self = std::move(grpc_holds_)] {
    if (self->counted_) {
      self->core_->RunCallsChanged(-1);
    }
  });
}

void RunCall::Handle(RunRequest request) {
  if (state_ == State::kWaiting) {
    if (request.has_start()) {
      HandleStart(std::move(*request.mutable_start()));
    } else {
      Refuse(absl::InvalidArgumentError("the first request must be `start`"));
    }
    return;
  }
  if (state_ != State::kRunning) {
    return;
  }
  run::Runner* runner = core_->runner;
  switch (request.request_case()) {
    case RunRequest::kSignal:
      runner->Signal(run_id_, static_cast<int>(request.signal().number()));
      break;
    case RunRequest::kStdin:
      runner->Stdin(run_id_,
                    std::move(*request.mutable_stdin()->mutable_data()),
                    request.stdin().eof());
      break;
    case RunRequest::kExecuted:
      runner->Executed(run_id_, request.executed());
      break;
    case RunRequest::kFileOpened:
      runner->FileOpened(run_id_, request.file_opened().error());
      break;
    case RunRequest::kStart:
      outbox_.Abort(
          ToGrpcStatus(absl::InvalidArgumentError("`start` may be sent once")));
      HandleCancel();
      break;
    case RunRequest::kTerminal:
      runner->Resized(run_id_, request.terminal());
      break;
    case RunRequest::REQUEST_NOT_SET:  // a newer client's: ignored
      break;
  }
}

void RunCall::HandleStart(vtask::v1::RunStart start) {
  if (MustReplace(start)) {
    RunResponse response;
    response.mutable_replace()->set_version(core_->options.version);
    response.mutable_replace()->set_build(core_->options.build);
    const bool was_leaving = core_->leaving;
    if (!was_leaving && core_->options.on_shutdown_requested != nullptr) {
      core_->options.on_shutdown_requested(/*now=*/false);
    }
    outbox_.Push(std::move(response));
    state_ = State::kEnded;
    outbox_.Close(grpc::Status::OK);
    return;
  }
  if (core_->leaving) {
    Refuse(absl::UnavailableError("the daemon is leaving: connect again"));
    return;
  }
  state_ = State::kRunning;
  loop_holds_ = shared_from_this();
  counted_ = true;
  core_->RunCallsChanged(+1);
  // The runner may say all it has to say before this returns.
  run_id_ = core_->runner->Start(std::move(start), this);
}

bool RunCall::MustReplace(const vtask::v1::RunStart& start) const {
  if (start.client_build() == 0) {
    return false;
  }
  const ServerOptions& ours = core_->options;
  return core_->leaving ||
         IsNewer(start.client_version(), start.client_build(), ours.version,
                 ours.build) ||
         (ours.is_obsolete != nullptr && ours.is_obsolete());
}

void RunCall::Refuse(const absl::Status& status) {
  state_ = State::kEnded;
  outbox_.Close(ToGrpcStatus(status));
}

void RunCall::HandleCancel() {
  if (state_ == State::kRunning) {
    state_ = State::kCancelled;
    // Our queue swallows everything now: nothing may wait for it to drain.
    core_->runner->SinkDrained(run_id_);
    core_->runner->Cancel(run_id_);
  } else if (state_ == State::kWaiting) {
    // It may come before the `start` that was read on another thread.
    state_ = State::kEnded;
  }
}

void RunCall::Send(RunResponse response) {
  std::string* data = Data(&response);
  if (data == nullptr || data->size() <= kChunk) {
    outbox_.Push(std::move(response));
    return;
  }
  const std::string all = std::exchange(*data, "");
  for (size_t at = 0; at < all.size(); at += kChunk) {
    RunResponse piece = response;
    Data(&piece)->assign(all, at, kChunk);
    outbox_.Push(std::move(piece));
  }
}

void RunCall::Finish() {
  state_ = State::kEnded;
  const std::shared_ptr<RunCall> self = std::move(loop_holds_);
  outbox_.Close(grpc::Status::OK);
}

// "1.22.333" as numbers; empty if it is anything else.
std::vector<uint32_t> DottedNumbers(const std::string& text) {
  std::vector<uint32_t> numbers;
  for (absl::string_view part : absl::StrSplit(text, '.')) {
    uint32_t number = 0;
    if (!absl::SimpleAtoi(part, &number)) {
      return {};
    }
    numbers.push_back(number);
  }
  return numbers;
}

}  // namespace

bool IsNewer(const std::string& version, uint64_t build,
             const std::string& our_version, uint64_t our_build) {
  const std::vector<uint32_t> theirs = DottedNumbers(version);
  const std::vector<uint32_t> ours = DottedNumbers(our_version);
  if (!theirs.empty() && !ours.empty() && theirs != ours) {
    return theirs > ours;
  }
  return build > our_build;
}

RunReactor* NewRunCall(Core* core) {
  auto call = std::make_shared<RunCall>(core);
  call->Begin();
  return call.get();
}

}  // namespace vt::service
