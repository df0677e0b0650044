// SPDX-License-Identifier: Apache-2.0
//
// The door as a whole: who may come in, and how it closes.

#include "daemon/service/server.h"

#include <poll.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <string>

#include "absl/strings/match.h"
#include <grpcpp/generic/generic_stub.h>

#include "tests/unit/service/server_fixture.h"

namespace vt::service {
namespace {

using ServerTest = ServerFixture;

// One request, one response, of a method that this program has no stub for.
std::string GenericCall(const std::shared_ptr<grpc::Channel>& channel,
                        const std::string& method, const std::string& request) {
  grpc::GenericStub stub(channel);
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() +
                       std::chrono::seconds(20));
  grpc::CompletionQueue queue;
  const grpc::Slice slice(request);
  const grpc::ByteBuffer buffer(&slice, 1);
  grpc::ByteBuffer answer;
  void* tag = nullptr;
  bool ok = false;
  auto call = stub.PrepareCall(&context, method, &queue);
  call->StartCall(nullptr);
  queue.Next(&tag, &ok);
  call->Write(buffer, nullptr);
  queue.Next(&tag, &ok);
  call->Read(&answer, nullptr);
  queue.Next(&tag, &ok);
  context.TryCancel();
  grpc::Status status;
  call->Finish(&status, nullptr);
  queue.Next(&tag, &ok);
  queue.Shutdown();
  while (queue.Next(&tag, &ok)) {
  }
  grpc::Slice whole;
  return answer.Valid() && answer.TrySingleSlice(&whole).ok()
             ? std::string(whole.begin(), whole.end())
             : "";
}

bool IsHungUp(const base::UniqueFd& fd) {
  pollfd waiting = {fd.get(), POLLRDHUP, 0};
  return ::poll(&waiting, 1, 20000) == 1;
}

TEST_F(ServerTest, StatusSaysWhatThisDaemonIs) {
  grpc::ClientContext context;
  vtask::v1::StatusResponse response;
  const grpc::Status status = stub_->Status(&context, {}, &response);
  ASSERT_TRUE(status.ok()) << status.error_message();
  EXPECT_EQ(response.version(), "1.2.3");
  EXPECT_EQ(response.build(), 1000U);
  EXPECT_EQ(response.pid(), static_cast<uint32_t>(::getpid()));
  EXPECT_EQ(response.socket(), socket_);
  EXPECT_EQ(response.cache_directory(), "/cache");
  EXPECT_EQ(response.health(0), "a fake");
  ASSERT_GT(response.settings_size(), 0);
  EXPECT_EQ(response.settings(0).key(), "cacheDir");
  EXPECT_EQ(response.settings(0).origin(), "default");
}

TEST_F(ServerTest, AnErrorKeepsItsCodeAndItsBytes) {
  grpc::ClientContext context;
  vtask::v1::PlanResponse response;
  const grpc::Status status = stub_->Plan(&context, {}, &response);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::NOT_FOUND);
  EXPECT_EQ(status.error_message(), "task `x` not found: \xC3\xA9 100%");
}

TEST_F(ServerTest, TasksAreListed) {
  grpc::ClientContext context;
  vtask::v1::ListTasksRequest request;
  request.mutable_caller()->set_cwd("/here");
  vtask::v1::ListTasksResponse response;
  ASSERT_TRUE(stub_->ListTasks(&context, request, &response).ok());
  EXPECT_EQ(response.workspace_root(), "/here");
  EXPECT_EQ(response.tasks(0).name(), "build");
}

TEST_F(ServerTest, CommandLinesAreCompleted) {
  grpc::ClientContext context;
  vtask::v1::CompleteRequest request;
  request.add_words("vt");
  request.add_words("ru");
  vtask::v1::CompleteResponse response;
  ASSERT_TRUE(stub_->Complete(&context, request, &response).ok());
  ASSERT_EQ(response.candidates_size(), 2);
  EXPECT_EQ(response.candidates(1).value(), "ru");
}

TEST_F(ServerTest, ShutdownIsAskedForAndAnswered) {
  grpc::ClientContext context;
  vtask::v1::ShutdownRequest request;
  request.set_now(true);
  vtask::v1::ShutdownResponse response;
  ASSERT_TRUE(stub_->Shutdown(&context, request, &response).ok());
  EXPECT_EQ(response.pid(), static_cast<uint32_t>(::getpid()));
  OnLoop([&] { EXPECT_EQ(shutdowns_, std::vector<bool>{true}); });
}

TEST_F(ServerTest, HealthServiceSaysServing) {
  // HealthCheckRequest{service: "vtask.v1.Daemon"}; status 1 is SERVING.
  EXPECT_EQ(GenericCall(Channel(), "/grpc.health.v1.Health/Check",
                        "\x0A\x0Fvtask.v1.Daemon"),
            "\x08\x01");
}

TEST_F(ServerTest, ReflectionListsTheServices) {
  // ServerReflectionRequest{list_services: "*"}
  const std::string answer = GenericCall(
      Channel(),
      "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
      "\x3A\x01*");
  EXPECT_TRUE(absl::StrContains(answer, "vtask.v1.Daemon")) << answer;
  EXPECT_TRUE(absl::StrContains(answer, "grpc.health.v1.Health")) << answer;
}

TEST_F(ServerTest, ConnectionsAreCountedUntilTheyAreGone) {
  base::UniqueFd first = Connect();
  base::UniqueFd second = Connect();
  EXPECT_TRUE(Eventually([&] { return connections_ == 2; }));
  first.Reset();
  EXPECT_TRUE(Eventually([&] { return connections_ == 1; }));
  second.Reset();
  EXPECT_TRUE(Eventually([&] { return connections_ == 0; }));
}

TEST_F(ServerTest, AClientThatTalksNonsenseIsHungUpOn) {
  const base::UniqueFd client = Connect();
  const std::string nonsense(100, 'x');
  ASSERT_EQ(::send(client.get(), nonsense.data(), nonsense.size(), 0), 100);
  EXPECT_TRUE(IsHungUp(client));
  EXPECT_TRUE(Eventually([&] { return connections_ == 0; }));
}

TEST_F(ServerTest, AnotherUserIsNotLetIn) {
  if (::geteuid() != 0) {
    GTEST_SKIP() << "needs root, to become somebody else";
  }
  ASSERT_EQ(::chmod(dir_.path().c_str(), 0755), 0);
  ASSERT_EQ(::chmod(socket_.c_str(), 0666), 0);
  const sockaddr_un address = Address();
  const pid_t child = ::fork();
  if (child == 0) {
    // Only system calls here: the parent has threads.
    char byte = 0;
    const int fd = ::socket(AF_UNIX, SOCK_STREAM, 0);
    const bool refused =
        ::setuid(65534) == 0 &&
        ::connect(fd, reinterpret_cast<const sockaddr*>(&address),
                  sizeof address) == 0 &&
        ::recv(fd, &byte, 1, 0) <= 0;
    ::_exit(refused ? 0 : 1);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_EQ(status, 0);
  EXPECT_TRUE(Eventually([&] { return connections_ == 0; }));
}

TEST_F(ServerTest, WhoKnockedBeforeTheEndIsStillServed) {
  base::UniqueFd waiting;
  OnLoop([&] {
    // In the queue: the loop is here and cannot accept it.
    waiting = Connect();
    server_->StopAccepting();
  });
  EXPECT_TRUE(Eventually([&] { return connections_ == 1; }));
  const base::UniqueFd late(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const sockaddr_un address = Address();
  EXPECT_NE(::connect(late.get(), reinterpret_cast<const sockaddr*>(&address),
                      sizeof address),
            0);
}

// A quarter of it is for what hangs: on a busy machine gRPC's threads may need
// a while. That Stop() answers true says that all ended within it.
constexpr int kEnoughMs = 6000;

TEST_F(ServerTest, StopEndsACallWhoseClientStoppedReading) {
  grpc::ClientContext context;
  auto stream = stub_->Run(&context);
  ASSERT_TRUE(stream->Write(StartOf({"vt", "flood", "100000000"})));
  ASSERT_TRUE(Eventually([&] { return runner_->poured_ > 0; }));
  EXPECT_TRUE(server_->Stop(kEnoughMs));
}

// A length-prefixed string without Huffman coding (RFC 7541, 5.2).
std::string HpackString(const std::string& text) {
  return static_cast<char>(text.size()) + text;
}

std::string Http2Frame(char type, char flags, char stream,
                       const std::string& payload) {
  std::string frame(9, '\0');
  frame[1] = static_cast<char>(payload.size() >> 8);
  frame[2] = static_cast<char>(payload.size());
  frame[3] = type;
  frame[4] = flags;
  frame[8] = stream;
  return frame + payload;
}

// What a client sends that starts a run, with windows so wide that only the
// socket's buffer is a limit.
std::string RawRunCall(const std::string& message) {
  std::string headers;
  for (const auto& [name, value] :
       std::vector<std::pair<std::string, std::string>>{
           {":method", "POST"},
           {":scheme", "http"},
           {":path", "/vtask.v1.Daemon/Run"},
           {":authority", "localhost"},
           {"content-type", "application/grpc"},
           {"te", "trailers"}}) {
    headers += '\0' + HpackString(name) + HpackString(value);
  }
  std::string data(5, '\0');
  data[4] = static_cast<char>(message.size());
  const std::string wide = "\x3F\xFF\xFF\xFF";
  return "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" +
         // SETTINGS: INITIAL_WINDOW_SIZE; WINDOW_UPDATE of the connection
         Http2Frame(4, 0, 0, std::string("\0\4", 2) + wide) +
         Http2Frame(8, 0, 0, wide) + Http2Frame(1, 4, 1, headers) +
         Http2Frame(0, 0, 1, data + message);
}

// Trap B of shared/stack.md 2: gRPC alone would wait for the write for ever.
TEST_F(ServerTest, StopEndsACallWhoseClientIsStopped) {
  const base::UniqueFd client = Connect();
  const std::string call =
      RawRunCall(StartOf({"vt", "flood", "100000000"}).SerializeAsString());
  ASSERT_EQ(::send(client.get(), call.data(), call.size(), 0),
            static_cast<ssize_t>(call.size()));
  ASSERT_TRUE(Eventually([&] { return runner_->is_paused(); }));
  EXPECT_TRUE(server_->Stop(kEnoughMs));
}

TEST_F(ServerTest, StopDoesNotWaitForARunnerThatDoesNotFinish) {
  grpc::ClientContext context;
  auto stream = stub_->Run(&context);
  ASSERT_TRUE(stream->Write(StartOf({"vt", "stubborn"})));
  grpc::ClientContext plan_context;
  vtask::v1::PlanRequest request;
  request.add_argv("never");
  vtask::v1::PlanResponse response;
  std::thread planner([&] {
    EXPECT_FALSE(stub_->Plan(&plan_context, request, &response).ok());
  });
  ASSERT_TRUE(Eventually(
      [&] { return runner_->started_.size() == 1 && runner_->has_plans(); }));
  EXPECT_TRUE(server_->Stop(kEnoughMs));
  planner.join();
  EXPECT_TRUE(Eventually([&] { return runner_->cancelled_ == 1; }));
}

}  // namespace
}  // namespace vt::service
