// SPDX-License-Identifier: Apache-2.0

#include "tests/unit/ipc/raw_client.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include <gtest/gtest.h>

#include "daemon/base/path.h"
#include "daemon/ipc/frame.h"

namespace vt::ipc {

RawClient::RawClient(const std::string& name)
    : fd_(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
  timeval limit = {};
  limit.tv_sec = 20;
  ::setsockopt(fd_.get(), SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
  ::setsockopt(fd_.get(), SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
  const std::string directory(base::Dirname(name));
  const base::UniqueFd parent(
      ::open(directory.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  const std::string short_name =
      absl::StrCat("/proc/self/fd/", parent.get(), "/", base::Basename(name));
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, short_name.data(), short_name.size());
  if (::connect(fd_.get(), reinterpret_cast<const sockaddr*>(&address),
                sizeof address) != 0) {
    error_ = errno;
    fd_.Reset();
  }
}

bool RawClient::SendBytes(absl::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t n =
        ::send(fd_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (n < 0) {
      return false;
    }
    bytes.remove_prefix(static_cast<size_t>(n));
  }
  return true;
}

bool RawClient::Send(const ToolRequest& request) {
  std::string frame;
  AppendFrame(request.SerializeAsString(), &frame);
  return SendBytes(frame);
}

bool RawClient::Receive(ToolReply* reply) {
  unsigned char header[4] = {};
  if (::recv(fd_.get(), header, sizeof header, MSG_WAITALL) != 4) {
    return false;
  }
  std::string body(
      header[0] | header[1] << 8 | header[2] << 16 | header[3] << 24, '\0');
  return ::recv(fd_.get(), body.data(), body.size(), MSG_WAITALL) ==
             static_cast<ssize_t>(body.size()) &&
         reply->ParseFromString(body);
}

ToolReply RawClient::Ask(ToolRequest request) {
  request.set_id(++last_id_);
  ToolReply reply;
  EXPECT_TRUE(Send(request));
  EXPECT_TRUE(Receive(&reply));
  EXPECT_EQ(reply.id(), last_id_);
  return reply;
}

ToolReply RawClient::Hello(bool want_env) {
  ToolRequest request;
  request.mutable_hello()->set_protocol(1);
  request.mutable_hello()->set_client("raw/1");
  request.mutable_hello()->set_argv0("raw");
  request.mutable_hello()->set_want_env(want_env);
  return Ask(request);
}

bool RawClient::IsEnded() {
  char byte = 0;
  const ssize_t n = ::recv(fd_.get(), &byte, 1, 0);
  return n == 0 || (n < 0 && errno == ECONNRESET);
}

ToolRequest IgnoreInput(const std::string& path) {
  ToolRequest request;
  request.mutable_ignore_input()->set_path(path);
  return request;
}

ToolRequest GetEnv(const std::string& name, bool tracked) {
  ToolRequest request;
  request.mutable_get_env()->set_name(name);
  request.mutable_get_env()->set_tracked(tracked);
  return request;
}

ToolRequest GetEnvs(const std::string& glob, bool tracked) {
  ToolRequest request;
  request.mutable_get_envs()->mutable_query()->set_glob(glob);
  request.mutable_get_envs()->set_tracked(tracked);
  return request;
}

ToolRequest GetEnvsPrefix(const std::string& prefix, bool tracked) {
  ToolRequest request;
  request.mutable_get_envs()->mutable_query()->set_prefix(prefix);
  request.mutable_get_envs()->set_tracked(tracked);
  return request;
}

TestEndpoint::TestEndpoint(base::EnvMap env, std::string subdirectory) {
  loop_ = *loop::EventLoop::Start();
  base::Notification opened;
  loop_->Post([&] {
    absl::StatusOr<std::unique_ptr<ToolEndpoint>> endpoint = ToolEndpoint::Open(
        loop_.get(), {(directory_.path() / ("ipc" + subdirectory)).string(),
                      std::move(env)});
    EXPECT_TRUE(endpoint.ok()) << endpoint.status();
    endpoint_ = *std::move(endpoint);
    opened.Notify();
  });
  opened.Wait();
}

TestEndpoint::~TestEndpoint() {
  loop_->Post([this] { endpoint_.reset(); });
  Settle();
}

void TestEndpoint::StartDrain(absl::Duration limit) {
  base::Notification started;
  loop_->Post([&] {
    endpoint_->Drain(limit, [this](ToolReports reports) {
      reports_ = std::move(reports);
      drained_.Notify();
    });
    started.Notify();
  });
  started.Wait();
}

ToolReports TestEndpoint::WaitForReports() {
  drained_.Wait();
  return std::move(reports_);
}

ToolReports TestEndpoint::Drain(absl::Duration limit) {
  StartDrain(limit);
  return WaitForReports();
}

void TestEndpoint::Settle() {
  base::Notification done;
  loop_->Post([&] { done.Notify(); });
  done.Wait();
}

}  // namespace vt::ipc
