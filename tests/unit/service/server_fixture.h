// SPDX-License-Identifier: Apache-2.0
//
// A server over a FakeRunner on a real socket, and a gRPC client for it.

#pragma once

#include <sys/socket.h>
#include <sys/un.h>

#include <cstring>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>

#include "daemon/base/mutex.h"
#include "daemon/base/unique_fd.h"
#include "daemon/loop/event_loop.h"
#include "daemon/service/server.h"
#include "tests/support/temp_dir.h"
#include "tests/unit/service/fake_runner.h"
#include "vtask/v1/daemon.grpc.pb.h"

namespace vt::service {

class ServerFixture : public testing::Test {
 protected:
  void SetUp() override {
    auto loop = loop::EventLoop::Start();
    ASSERT_TRUE(loop.ok()) << loop.status();
    loop_ = *std::move(loop);
    socket_ = (dir_.path() / "s").string();
    base::UniqueFd listener(
        ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    const sockaddr_un address = Address();
    ASSERT_EQ(
        ::bind(listener.get(), reinterpret_cast<const sockaddr*>(&address),
               sizeof address),
        0);
    ASSERT_EQ(::listen(listener.get(), 16), 0);
    ServerOptions options;
    options.version = "1.2.3";
    options.build = 1000;
    options.socket_path = socket_;
    options.cache_directory = "/cache";
    options.tracking_tier = "1";
    options.settings = &settings_;
    options.on_shutdown_requested = [this](bool now) {
      shutdowns_.push_back(now);
    };
    options.on_connections = [this](int count) { connections_ = count; };
    options.on_run_calls = [this](int count) { run_calls_ = count; };
    options.is_obsolete = [this] { return is_obsolete_; };
    OnLoop([&] {
      runner_ = std::make_unique<FakeRunner>();
      auto server = Server::Start(loop_.get(), runner_.get(),
                                  std::move(listener), std::move(options));
      ASSERT_TRUE(server.ok()) << server.status();
      server_ = *std::move(server);
    });
    stub_ = vtask::v1::Daemon::NewStub(Channel());
  }

  void TearDown() override {
    stub_.reset();
    EXPECT_TRUE(server_->Stop(4000));
    OnLoop([&] {
      runner_->EndAll();
      server_.reset();
      runner_.reset();
    });
    loop_.reset();
  }

  sockaddr_un Address() const {
    sockaddr_un address = {};
    address.sun_family = AF_UNIX;
    std::strncpy(address.sun_path, socket_.c_str(),
                 sizeof address.sun_path - 1);
    return address;
  }

  // A connection of its own for each call: no channel is shared.
  std::shared_ptr<grpc::Channel> Channel() const {
    grpc::ChannelArguments arguments;
    arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
    arguments.SetMaxReceiveMessageSize(-1);
    return grpc::CreateCustomChannel(absl::StrCat("unix:", socket_),
                                     grpc::InsecureChannelCredentials(),
                                     arguments);
  }

  base::UniqueFd Connect() const {
    base::UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    const sockaddr_un address = Address();
    EXPECT_EQ(::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address),
                        sizeof address),
              0);
    return fd;
  }

  void OnLoop(const std::function<void()>& work) const {
    base::Notification done;
    loop_->Post([&] {
      work();
      done.Notify();
    });
    done.Wait();
  }

  // Whether `fact`, asked on the loop, comes true.
  bool Eventually(const std::function<bool()>& fact) const {
    const absl::Time deadline = absl::Now() + absl::Seconds(20);
    bool is_true = false;
    while (!is_true && absl::Now() < deadline) {
      OnLoop([&] { is_true = fact(); });
      std::this_thread::yield();
    }
    return is_true;
  }

  static vtask::v1::RunRequest StartOf(const std::vector<std::string>& argv) {
    vtask::v1::RunRequest request;
    for (const std::string& arg : argv) {
      request.mutable_start()->add_argv(arg);
    }
    return request;
  }

  test::TempDir dir_;
  std::string socket_;
  std::unique_ptr<loop::EventLoop> loop_;
  std::unique_ptr<FakeRunner> runner_;
  settings::SettingsFile settings_{""};
  std::unique_ptr<Server> server_;
  std::unique_ptr<vtask::v1::Daemon::Stub> stub_;
  // Loop.
  std::vector<bool> shutdowns_;
  int connections_ = 0;
  int run_calls_ = 0;
  bool is_obsolete_ = false;
};

}  // namespace vt::service
