// SPDX-License-Identifier: Apache-2.0

#include "daemon/service/daemon_service.h"

#include <unistd.h>

#include <atomic>
#include <memory>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"

#include "daemon/service/calls.h"
#include "daemon/service/status.h"
#include "vtask/v1/daemon.grpc.pb.h"

namespace vt::service {
namespace {

// One unary call. gRPC holds it until OnDone, who answers it holds it too: an
// answer that comes after a cancellation meets an object that no longer cares.
// Thread-safe.
template <typename Response>
class UnaryCall final
    : public grpc::ServerUnaryReactor,
      public std::enable_shared_from_this<UnaryCall<Response>> {
 public:
  explicit UnaryCall(Response* response) : response_(response) {}

  static std::shared_ptr<UnaryCall> Begin(Response* response) {
    auto call = std::make_shared<UnaryCall>(response);
    call->grpc_holds_ = call;
    return call;
  }

  // The first answer counts; `response_` is ours to write until Finish.
  void Answer(absl::StatusOr<Response> answer) {
    if (answered_.exchange(true)) {
      return;
    }
    if (answer.ok()) {
      *response_ = *std::move(answer);
    }
    Finish(ToGrpcStatus(answer.status()));
  }

  void OnCancel() override { Answer(absl::CancelledError("cancelled")); }
  void OnDone() override {
    const std::shared_ptr<UnaryCall> last = std::move(grpc_holds_);
  }

 private:
  Response* const response_;
  std::atomic<bool> answered_ = false;
  std::shared_ptr<UnaryCall> grpc_holds_;
};

// Thread-safe: gRPC calls it on its threads; the answers are made on the loop.
class DaemonService final : public vtask::v1::Daemon::CallbackService {
 public:
  explicit DaemonService(Core* core) : core_(core) {}

  RunReactor* Run(grpc::CallbackServerContext*) override {
    return NewRunCall(core_);
  }
  SubscribeReactor* Subscribe(
      grpc::CallbackServerContext*,
      const vtask::v1::SubscribeRequest* request) override {
    return NewSubscribeCall(core_, *request);
  }
  grpc::ServerUnaryReactor* Plan(grpc::CallbackServerContext*,
                                 const vtask::v1::PlanRequest* request,
                                 vtask::v1::PlanResponse* response) override;
  grpc::ServerUnaryReactor* ListTasks(
      grpc::CallbackServerContext*, const vtask::v1::ListTasksRequest* request,
      vtask::v1::ListTasksResponse* response) override;
  grpc::ServerUnaryReactor* Complete(
      grpc::CallbackServerContext*, const vtask::v1::CompleteRequest* request,
      vtask::v1::CompleteResponse* response) override;
  grpc::ServerUnaryReactor* Status(
      grpc::CallbackServerContext*, const vtask::v1::StatusRequest*,
      vtask::v1::StatusResponse* response) override;
  grpc::ServerUnaryReactor* Shutdown(
      grpc::CallbackServerContext*, const vtask::v1::ShutdownRequest* request,
      vtask::v1::ShutdownResponse* response) override;

 private:
  Core* const core_;
};

grpc::ServerUnaryReactor* DaemonService::Plan(
    grpc::CallbackServerContext*, const vtask::v1::PlanRequest* request,
    vtask::v1::PlanResponse* response) {
  auto call = UnaryCall<vtask::v1::PlanResponse>::Begin(response);
  core_->loop->Post([core = core_, call, request = *request]() mutable {
    core->runner->Plan(std::move(request),
                       [call](absl::StatusOr<vtask::v1::PlanResponse> answer) {
                         call->Answer(std::move(answer));
                       });
  });
  return call.get();
}

grpc::ServerUnaryReactor* DaemonService::ListTasks(
    grpc::CallbackServerContext*, const vtask::v1::ListTasksRequest* request,
    vtask::v1::ListTasksResponse* response) {
  auto call = UnaryCall<vtask::v1::ListTasksResponse>::Begin(response);
  core_->loop->Post([core = core_, call, request = *request]() mutable {
    core->runner->ListTasks(
        std::move(request),
        [call](absl::StatusOr<vtask::v1::ListTasksResponse> answer) {
          call->Answer(std::move(answer));
        });
  });
  return call.get();
}

grpc::ServerUnaryReactor* DaemonService::Complete(
    grpc::CallbackServerContext*, const vtask::v1::CompleteRequest* request,
    vtask::v1::CompleteResponse* response) {
  auto call = UnaryCall<vtask::v1::CompleteResponse>::Begin(response);
  core_->loop->Post([core = core_, call, request = *request]() mutable {
    core->runner->Complete(
        std::move(request),
        [call](absl::StatusOr<vtask::v1::CompleteResponse> answer) {
          call->Answer(std::move(answer));
        });
  });
  return call.get();
}

vtask::v1::StatusResponse MakeStatus(const Core& core) {
  vtask::v1::StatusResponse status;
  status.set_version(core.options.version);
  status.set_build(core.options.build);
  status.set_pid(static_cast<uint32_t>(::getpid()));
  status.set_started_unix_us(absl::ToUnixMicros(core.started));
  status.set_socket(core.options.socket_path);
  status.set_cache_directory(core.options.cache_directory);
  status.set_tracking_tier(core.options.tracking_tier);
  status.set_settings_file(core.options.settings->path());
  for (settings::Line& line :
       settings::Describe(core.options.settings->Last())) {
    vtask::v1::StatusResponse::Setting* setting = status.add_settings();
    setting->set_key(std::move(line.key));
    setting->set_value(std::move(line.value));
    setting->set_origin(std::move(line.origin));
  }
  for (vtask::v1::RunInfo& run : core.runner->Running()) {
    *status.add_runs() = std::move(run);
  }
  for (std::string& problem : core.runner->Health()) {
    status.add_health(std::move(problem));
  }
  const run::Runner::Freshness freshness = core.runner->freshness();
  status.set_watches(freshness.watches);
  status.set_known_runs(freshness.known_runs);
  if (core.leaving) {
    status.add_health(
        "the daemon is leaving: it waits for its last run and takes no new "
        "one; connect again for its successor");
  }
  return status;
}

grpc::ServerUnaryReactor* DaemonService::Status(
    grpc::CallbackServerContext*, const vtask::v1::StatusRequest*,
    vtask::v1::StatusResponse* response) {
  auto call = UnaryCall<vtask::v1::StatusResponse>::Begin(response);
  // What applies from the next run on; a fault of it is in the health. On this
  // thread of gRPC's, which may wait for a disk.
  static_cast<void>(core_->options.settings->Refresh());
  core_->loop->Post([core = core_, call] { call->Answer(MakeStatus(*core)); });
  return call.get();
}

grpc::ServerUnaryReactor* DaemonService::Shutdown(
    grpc::CallbackServerContext*, const vtask::v1::ShutdownRequest* request,
    vtask::v1::ShutdownResponse* response) {
  auto call = UnaryCall<vtask::v1::ShutdownResponse>::Begin(response);
  core_->loop->Post([core = core_, call, now = request->now()] {
    vtask::v1::ShutdownResponse answer;
    answer.set_running(static_cast<uint32_t>(core->runner->Running().size()));
    answer.set_pid(static_cast<uint32_t>(::getpid()));
    if (core->options.on_shutdown_requested != nullptr) {
      core->options.on_shutdown_requested(now);
    }
    call->Answer(std::move(answer));
  });
  return call.get();
}

}  // namespace

std::unique_ptr<grpc::Service> NewDaemonService(Core* core) {
  return std::make_unique<DaemonService>(core);
}

}  // namespace vt::service
