// SPDX-License-Identifier: Apache-2.0

#include "shim/transport.h"

#include <sys/socket.h>
#include <unistd.h>

#include <initializer_list>
#include <string>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/unit/shim/fake_server.h"
#include "vtask/v1/daemon.pb.h"

namespace vt::shim {
namespace {

TEST(PercentDecodeTest, EscapesAreBytesAndTheRestStays) {
  EXPECT_EQ(PercentDecode("bad `%C3%A9` 100%25%0Aline2"),
            "bad `\xC3\xA9` 100%\nline2");
  EXPECT_EQ(PercentDecode("%"), "%");
  EXPECT_EQ(PercentDecode("%4"), "%4");
  EXPECT_EQ(PercentDecode("%zz%4a"), "%zzJ");
  EXPECT_EQ(PercentDecode(""), "");
}

// A call to a fake daemon on a thread of its own.
class GrpcCallTest : public testing::Test {
 protected:
  void SetUp() override {
    int ends[2] = {};
    ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    client_.Reset(ends[0]);
    server_ = std::thread(
        [end = ends[1]] { test::ServeFake(end, test::FakeServerOptions()); });
  }
  void TearDown() override {
    call_.reset();
    client_.Reset();
    server_.join();
  }

  void Start(std::initializer_list<std::string> argv) {
    call_ =
        std::make_unique<GrpcCall>(std::move(client_), "/vtask.v1.Daemon/Run");
    vtask::v1::RunRequest request;
    for (const std::string& arg : argv) {
      request.mutable_start()->add_argv(arg);
    }
    request.mutable_start()->mutable_caller()->set_cwd(padding_);
    call_->Send(request);
    call_->Flush();
  }
  // All that comes until the call ends: stdout's bytes, and the exit code.
  void ReadAll() {
    for (;;) {
      absl::string_view message;
      while (call_->NextMessage(&message)) {
        vtask::v1::RunResponse response;
        ASSERT_TRUE(response.ParseFromArray(message.data(),
                                            static_cast<int>(message.size())));
        stdout_ += response.stdout();
        if (response.has_exit()) {
          exit_code_ = response.exit().code();
        }
      }
      if (call_->state() != GrpcCall::State::kOpen) {
        return;
      }
      call_->Receive();
    }
  }

  base::UniqueFd client_;
  std::thread server_;
  std::unique_ptr<GrpcCall> call_;
  std::string padding_;
  std::string stdout_;
  int exit_code_ = -1;
};

TEST_F(GrpcCallTest, MessagesThenStatus) {
  Start({"vt", "exit", "7"});
  ReadAll();
  EXPECT_EQ(exit_code_, 7) << call_->lost_reason();
  EXPECT_EQ(call_->state(), GrpcCall::State::kEnded);
  EXPECT_EQ(call_->status(), 0);
}

TEST_F(GrpcCallTest, ManyBytesArriveInOrder) {
  Start({"vt", "print", "1", "300", "65000"});
  ReadAll();
  std::string expected;
  for (int i = 0; i < 300; ++i) {
    expected += std::string(65000, static_cast<char>('a' + i % 26));
  }
  EXPECT_TRUE(stdout_ == expected) << stdout_.size();
  EXPECT_EQ(exit_code_, 0);
}

// HTTP/2 gives a new stream a window of 64 KiB; the rest must wait for updates.
TEST_F(GrpcCallTest, RequestLargerThanTheWindowArrives) {
  padding_.assign(300'000, 'x');
  Start({"vt", "exit", "3"});
  ReadAll();
  EXPECT_EQ(exit_code_, 3);
}

TEST_F(GrpcCallTest, ErrorBeforeAnyMessageHasItsTextDecoded) {
  Start({"vt", "fail", "3", "no %C3%A9%0Ahere"});
  ReadAll();
  EXPECT_EQ(call_->state(), GrpcCall::State::kEnded);
  EXPECT_EQ(call_->status(), 3);
  EXPECT_EQ(call_->status_message(), "no \xC3\xA9\nhere");
  EXPECT_FALSE(call_->was_not_processed());
}

TEST_F(GrpcCallTest, CutStreamIsLostAfterItsBytes) {
  Start({"vt", "cut"});
  ReadAll();
  EXPECT_EQ(stdout_, "partial\n");
  EXPECT_EQ(call_->state(), GrpcCall::State::kLost);
  EXPECT_FALSE(call_->was_not_processed());
}

TEST_F(GrpcCallTest, UnavailableBeforeAnyMessageMayBeTriedAgain) {
  Start({"vt", "fail", "14", "going"});
  ReadAll();
  EXPECT_TRUE(call_->was_not_processed());
}

TEST(GrpcCallAloneTest, NonsenseFromTheOtherSideIsALostDaemon) {
  int ends[2] = {};
  ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
  const base::UniqueFd other(ends[1]);
  GrpcCall call(base::UniqueFd{ends[0]}, "/vtask.v1.Daemon/Run");
  call.Flush();
  const std::string nonsense = "HTTP/1.1 400 Bad Request\r\n\r\n";
  ASSERT_EQ(::write(other.get(), nonsense.data(), nonsense.size()),
            static_cast<ssize_t>(nonsense.size()));
  call.Receive();
  EXPECT_EQ(call.state(), GrpcCall::State::kLost);
  EXPECT_FALSE(call.lost_reason().empty());
}

TEST(GrpcCallAloneTest, FirstFlightIsOneSend) {
  int ends[2] = {};
  ASSERT_EQ(::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends), 0);
  const base::UniqueFd other(ends[1]);
  GrpcCall call(base::UniqueFd{ends[0]}, "/vtask.v1.Daemon/Run");
  call.Send(vtask::v1::RunRequest());
  call.Flush();
  char packet[65536];
  EXPECT_GT(::recv(other.get(), packet, sizeof packet, MSG_DONTWAIT), 100);
  EXPECT_EQ(::recv(other.get(), packet, sizeof packet, MSG_DONTWAIT), -1);
}

TEST(CallUnaryTest, SilenceEndsWithAFailure) {
  int ends[2] = {};
  ASSERT_EQ(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
  const base::UniqueFd other(ends[1]);
  vtask::v1::StatusResponse response;
  const MaybeFailure failure =
      CallUnary(base::UniqueFd(ends[0]), "/vtask.v1.Daemon/Status",
                vtask::v1::StatusRequest(), &response, /*timeout_ms=*/20);
  ASSERT_TRUE(failure.has_value());
  EXPECT_EQ(failure->exit_code, 69);
}

}  // namespace
}  // namespace vt::shim
