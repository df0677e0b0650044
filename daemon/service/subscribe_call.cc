// SPDX-License-Identifier: Apache-2.0
//
// SubscribeCall is one `Subscribe` call. It is held like a RunCall: by gRPC
// until OnDone, and by the runner's callback until it is unsubscribed.

#include <memory>
#include <utility>

#include "absl/status/status.h"

#include "daemon/service/calls.h"
#include "daemon/service/outbox.h"
#include "daemon/service/status.h"

namespace vt::service {
namespace {

using vtask::v1::RunEvent;

// A subscriber that is this far behind loses output, and is cut off when there
// is no output to lose. A guess: some thousand events, or a second of a log.
constexpr size_t kSubscriberBound = size_t{4} << 20;

// Thread rule: each member says on which side it lives.
class SubscribeCall final : public SubscribeReactor,
                            public StreamOps<RunEvent>,
                            public std::enable_shared_from_this<SubscribeCall> {
 public:
  explicit SubscribeCall(Core* core)
      : core_(core),
        outbox_(this, kSubscriberBound, /*merge=*/nullptr) {}
  ~SubscribeCall() override = default;

  void Begin(vtask::v1::SubscribeRequest request) {
    grpc_holds_ = shared_from_this();
    core_->loop->Post(
        [self = grpc_holds_, request = std::move(request)]() mutable {
          self->Subscribe(std::move(request));
        });
  }

  void OnWriteDone(bool ok) override { outbox_.WriteDone(ok); }
  void OnCancel() override {
    outbox_.Abort(grpc::Status::CANCELLED);
    core_->loop->Post([self = shared_from_this()] { self->Leave(); });
  }
  void OnDone() override {
    core_->loop->Post([self = std::move(grpc_holds_)] { self->Leave(); });
  }

  // There is nothing to read; this tells the client that it is subscribed and
  // will miss nothing from now on.
  void ReadOp() override { StartSendInitialMetadata(); }
  void WriteOp(const RunEvent* message) override { StartWrite(message); }
  void FinishOp(const grpc::Status& status) override { Finish(status); }

 private:
  enum class State {
    kWaiting,     // for its turn on the loop
    kSubscribed,  // events come
    kLeft,        // and never again
  };

  void Subscribe(vtask::v1::SubscribeRequest request);
  void Leave();
  void OnEvent(const RunEvent& event);

  Core* const core_;
  Outbox<RunEvent> outbox_;
  std::shared_ptr<SubscribeCall> grpc_holds_;  // gRPC's
  State state_ = State::kWaiting;              // loop
  run::Runner::SubscriberId id_ = 0;           // loop
};

void SubscribeCall::Subscribe(vtask::v1::SubscribeRequest request) {
  if (state_ != State::kWaiting) {
    return;  // cancelled before its turn
  }
  if (core_->leaving) {
    state_ = State::kLeft;
    outbox_.Close(ToGrpcStatus(
        absl::UnavailableError("the daemon is leaving: connect again")));
    return;
  }
  state_ = State::kSubscribed;
  id_ = core_->runner->Subscribe(
      std::move(request), [self = shared_from_this()](const RunEvent& event) {
        self->OnEvent(event);
      });
  // A weak hold: the runner's callback is the one that counts.
  core_->subscribers[id_] = [this] {
    outbox_.Close(ToGrpcStatus(
        absl::UnavailableError("the daemon is leaving: connect again")));
  };
  outbox_.Read();
}

void SubscribeCall::Leave() {
  if (state_ == State::kSubscribed) {
    core_->subscribers.erase(id_);
    core_->runner->Unsubscribe(id_);
  }
  state_ = State::kLeft;
}

void SubscribeCall::OnEvent(const RunEvent& event) {
  if (state_ != State::kSubscribed || outbox_.Push(event) <= kSubscriberBound) {
    return;
  }
  const size_t queued = outbox_.DropOldest(
      kSubscriberBound / 2,
      [](const RunEvent& old) { return old.has_action_output(); });
  if (queued > kSubscriberBound) {
    outbox_.Abort(ToGrpcStatus(absl::ResourceExhaustedError(
        "the subscriber reads too slowly: connect again")));
    // Not from inside the runner's walk over its subscribers.
    core_->loop->Post([self = shared_from_this()] { self->Leave(); });
  }
}

}  // namespace

SubscribeReactor* NewSubscribeCall(Core* core,
                                   vtask::v1::SubscribeRequest request) {
  auto call = std::make_shared<SubscribeCall>(core);
  call->Begin(std::move(request));
  return call.get();
}

}  // namespace vt::service
