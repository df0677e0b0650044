// SPDX-License-Identifier: Apache-2.0

#include "daemon/service/server.h"

#include <chrono>
#include <future>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/clock.h"
#include <grpc/grpc.h>
#include <grpcpp/ext/proto_server_reflection_plugin.h>
#include <grpcpp/health_check_service_interface.h>
#include <grpcpp/server.h>
#include <grpcpp/server_builder.h>
#include <grpcpp/server_posix.h>

#include "daemon/service/connections.h"
#include "daemon/service/core.h"
#include "daemon/service/daemon_service.h"

namespace vt::service {
namespace {

// An environment travels in the first message, and execve takes up to 6 MB of
// it (a quarter of the stack limit) where nobody raised the limit.
constexpr int kMaxRequest = 64 << 20;
constexpr char kServiceName[] = "vtask.v1.Daemon";

// Loop-bound, except for Stop.
class GrpcServer final : public Server {
 public:
  GrpcServer() = default;

  absl::Status Init(loop::EventLoop* loop, run::Runner* runner,
                    base::UniqueFd listener, ServerOptions options);
  void StopAccepting() override;
  bool Stop(int deadline_ms) override;

 private:
  Core core_;
  std::unique_ptr<grpc::Service> service_;
  std::unique_ptr<grpc::Server> grpc_;  // what the loop has of it outlives Stop
  grpc::HealthCheckServiceInterface* health_ = nullptr;
  std::unique_ptr<Connections> connections_;
};

absl::Status GrpcServer::Init(loop::EventLoop* loop, run::Runner* runner,
                              base::UniqueFd listener, ServerOptions options) {
  core_.loop = loop;
  core_.runner = runner;
  core_.options = std::move(options);
  core_.started = absl::Now();
  service_ = NewDaemonService(&core_);

  // One reference more to the library, never given back: giving back the last
  // one joins threads that may sit in epoll_wait for another 10 s (seen after a
  // client that stopped reading), and we are about to leave the process anyway.
  grpc_init();
  grpc::EnableDefaultHealthCheckService(true);
  // Also by hand: in a static program nothing else refers to the object that
  // registers reflection, and the linker would leave it out.
  grpc::reflection::InitProtoReflectionServerBuilderPlugin();
  grpc::ServerBuilder builder;
  builder.RegisterService(service_.get());
  builder.SetMaxReceiveMessageSize(kMaxRequest);
  builder.SetMaxSendMessageSize(-1);
  grpc_ = builder.BuildAndStart();
  if (grpc_ == nullptr) {
    return absl::InternalError("gRPC did not start its server");
  }
  health_ = grpc_->GetHealthCheckService();
  health_->SetServingStatus(kServiceName, true);

  auto connections = Connections::Start(
      loop, std::move(listener),
      [grpc = grpc_.get()](int fd) {
        grpc::AddInsecureChannelFromFd(grpc, fd);
      },
      [this](int count) {
        if (core_.options.on_connections != nullptr) {
          core_.options.on_connections(count);
        }
      });
  if (!connections.ok()) {
    return connections.status();
  }
  connections_ = *std::move(connections);
  return absl::OkStatus();
}

void GrpcServer::StopAccepting() {
  core_.leaving = true;
  connections_->StopAccepting();
  health_->SetServingStatus(false);
}

bool GrpcServer::Stop(int deadline_ms) {
  core_.loop->Post([this] {
    StopAccepting();
    // They would never end by themselves.
    for (const auto& [id, close] : core_.subscribers) {
      close();
    }
  });
  // Half of the time for calls to end, a quarter to be cancelled, and a quarter
  // for what hangs on clients that do not read (trap B).
  const auto part = std::chrono::milliseconds(deadline_ms / 4);
  std::promise<void> ended;
  std::future<void> done = ended.get_future();
  std::thread shutdown([grpc = grpc_.get(), grace = 2 * part,
                        ended = std::move(ended)]() mutable {
    grpc->Shutdown(std::chrono::system_clock::now() + grace);
    ended.set_value();
  });
  if (done.wait_for(3 * part) != std::future_status::ready) {
    connections_->BreakAll();
  }
  if (done.wait_for(part) != std::future_status::ready) {
    shutdown.detach();
    // Calls may still come back to it.
    static_cast<void>(grpc_.release());
    static_cast<void>(service_.release());
    return false;
  }
  shutdown.join();
  return true;
}

}  // namespace

absl::StatusOr<std::unique_ptr<Server>> Server::Start(loop::EventLoop* loop,
                                                      run::Runner* runner,
                                                      base::UniqueFd listener,
                                                      ServerOptions options) {
  auto server = std::make_unique<GrpcServer>();
  if (absl::Status status =
          server->Init(loop, runner, std::move(listener), std::move(options));
      !status.ok()) {
    return status;
  }
  return server;
}

}  // namespace vt::service
