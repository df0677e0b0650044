// SPDX-License-Identifier: Apache-2.0

#include <sys/socket.h>

#include <string>

#include <gmock/gmock.h>
#include <grpcpp/create_channel_posix.h>

#include "daemon/service/calls.h"
#include "tests/unit/service/server_fixture.h"

namespace vt::service {
namespace {

using vtask::v1::RunRequest;
using vtask::v1::RunResponse;

using RunCallTest = ServerFixture;

TEST_F(RunCallTest, OutputArrivesThenTheExitThenTheEnd) {
  grpc::ClientContext context;
  auto stream = stub_->Run(&context);
  ASSERT_TRUE(stream->Write(StartOf({"vt", "echo", "one ", "two"})));
  // Half-closing changes nothing.
  stream->WritesDone();
  std::string output;
  RunResponse response;
  while (stream->Read(&response) && response.has_stdout()) {
    output += response.stdout();
  }
  EXPECT_EQ(output, "one two");
  EXPECT_EQ(response.exit().code(), 0);
  EXPECT_FALSE(stream->Read(&response));
  EXPECT_TRUE(stream->Finish().ok());
  EXPECT_TRUE(Eventually([&] { return run_calls_ == 0; }));
}

TEST_F(RunCallTest, WhatFollowsTheStartReachesTheRun) {
  grpc::ClientContext context;
  auto stream = stub_->Run(&context);
  ASSERT_TRUE(stream->Write(StartOf({"vt", "hang"})));
  RunRequest request;
  request.mutable_executed()->set_id(7);
  ASSERT_TRUE(stream->Write(request));
  request.mutable_stdin()->set_data("typed");
  ASSERT_TRUE(stream->Write(request));
  request.mutable_terminal()->set_columns(80);
  ASSERT_TRUE(stream->Write(request));
  request.mutable_signal()->set_number(15);
  ASSERT_TRUE(stream->Write(request));
  RunResponse response;
  ASSERT_TRUE(stream->Read(&response));
  EXPECT_EQ(response.exit().code(), 143);
  EXPECT_TRUE(stream->Finish().ok());
  OnLoop([&] {
    EXPECT_THAT(runner_->signals_, testing::ElementsAre(15));
    EXPECT_EQ(runner_->stdin_, "typed");
    EXPECT_EQ(runner_->columns_, 80);
    ASSERT_EQ(runner_->executed_.size(), 1U);
    EXPECT_EQ(runner_->executed_[0].id(), 7U);
  });
}

TEST_F(RunCallTest, FileIsOpenedByTheClientAndComesInPieces) {
  grpc::ClientContext context;
  auto stream = stub_->Run(&context);
  ASSERT_TRUE(stream->Write(StartOf({"vt", "file", "a/b"})));
  RunResponse response;
  ASSERT_TRUE(stream->Read(&response));
  EXPECT_EQ(response.open_file(), "a/b");
  RunRequest request;
  request.mutable_file_opened();
  ASSERT_TRUE(stream->Write(request));
  std::string content;
  while (stream->Read(&response) && response.has_file()) {
    EXPECT_LE(response.file().size(), size_t{64} << 10);
    content += response.file();
  }
  EXPECT_EQ(content, std::string(200000, 'f'));
  EXPECT_EQ(response.exit().code(), 0);
}

TEST_F(RunCallTest, CancellingTheCallCancelsTheRunOnce) {
  grpc::ClientContext context;
  auto stream = stub_->Run(&context);
  ASSERT_TRUE(stream->Write(StartOf({"vt", "hang"})));
  ASSERT_TRUE(Eventually([&] { return run_calls_ == 1; }));
  context.TryCancel();
  EXPECT_EQ(stream->Finish().error_code(), grpc::StatusCode::CANCELLED);
  EXPECT_TRUE(Eventually([&] { return run_calls_ == 0; }));
  OnLoop([&] { EXPECT_EQ(runner_->cancelled_, 1); });
}

TEST_F(RunCallTest, AClientThatVanishesCancelsItsRun) {
  base::UniqueFd connection = Connect();
  const base::UniqueFd knife(::dup(connection.get()));
  ASSERT_EQ(::fcntl(connection.get(), F_SETFL, O_NONBLOCK), 0);
  auto stub = vtask::v1::Daemon::NewStub(
      grpc::CreateInsecureChannelFromFd("vanishing", connection.Release()));
  grpc::ClientContext context;
  auto stream = stub->Run(&context);
  ASSERT_TRUE(stream->Write(StartOf({"vt", "hang"})));
  ASSERT_TRUE(Eventually([&] { return run_calls_ == 1; }));
  ASSERT_EQ(::shutdown(knife.get(), SHUT_RDWR), 0);
  EXPECT_TRUE(
      Eventually([&] { return runner_->cancelled_ == 1 && run_calls_ == 0; }));
  EXPECT_TRUE(Eventually([&] { return connections_ == 0; }));
  EXPECT_FALSE(stream->Finish().ok());
}

TEST_F(RunCallTest, ASlowReaderPausesTheRunAndLosesNothing) {
  constexpr uint64_t kAll = 60'000'000;
  grpc::ClientContext context;
  auto stream = stub_->Run(&context);
  ASSERT_TRUE(stream->Write(StartOf({"vt", "flood", std::to_string(kAll)})));
  ASSERT_TRUE(Eventually([&] { return runner_->is_paused(); }));
  uint64_t before = 0;
  OnLoop([&] { before = runner_->poured_; });
  EXPECT_LT(before, kAll / 2);
  uint64_t got = 0;
  RunResponse response;
  while (stream->Read(&response) && response.has_stdout()) {
    EXPECT_LE(response.stdout().size(), size_t{64} << 10);
    got += response.stdout().size();
  }
  EXPECT_EQ(got, kAll);
  EXPECT_EQ(response.exit().code(), 0);
  EXPECT_TRUE(stream->Finish().ok());
  OnLoop([&] { EXPECT_GT(runner_->drained_, 0); });
}

TEST_F(RunCallTest, AnEnvironmentOfManyMegabytesIsTaken) {
  grpc::ClientContext context;
  auto stream = stub_->Run(&context);
  RunRequest request = StartOf({"vt", "echo"});
  request.mutable_start()->mutable_caller()->add_env(
      "BIG=" + std::string(20'000'000, 'x'));
  ASSERT_TRUE(stream->Write(request));
  RunResponse response;
  ASSERT_TRUE(stream->Read(&response));
  EXPECT_TRUE(response.has_exit());
  EXPECT_TRUE(stream->Finish().ok());
}

TEST_F(RunCallTest, TheFirstRequestMustBeTheStart) {
  grpc::ClientContext context;
  auto stream = stub_->Run(&context);
  RunRequest request;
  request.mutable_signal()->set_number(2);
  ASSERT_TRUE(stream->Write(request));
  EXPECT_EQ(stream->Finish().error_code(), grpc::StatusCode::INVALID_ARGUMENT);

  grpc::ClientContext empty_context;
  auto empty = stub_->Run(&empty_context);
  empty->WritesDone();
  EXPECT_EQ(empty->Finish().error_code(), grpc::StatusCode::INVALID_ARGUMENT);
}

TEST_F(RunCallTest, ASecondStartEndsTheCallAndTheRun) {
  grpc::ClientContext context;
  auto stream = stub_->Run(&context);
  ASSERT_TRUE(stream->Write(StartOf({"vt", "hang"})));
  ASSERT_TRUE(stream->Write(StartOf({"vt", "hang"})));
  EXPECT_EQ(stream->Finish().error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_TRUE(Eventually([&] { return runner_->cancelled_ == 1; }));
}

// The first answer to a shim of `version` and `build`.
RunResponse AnswerTo(vtask::v1::Daemon::Stub* stub, RunRequest request,
                     const std::string& version, uint64_t build) {
  request.mutable_start()->set_client_version(version);
  request.mutable_start()->set_client_build(build);
  grpc::ClientContext context;
  auto stream = stub->Run(&context);
  stream->Write(request);
  RunResponse response;
  stream->Read(&response);
  return response;
}

TEST_F(RunCallTest, ANewerShimIsToldToReplaceTheDaemon) {
  const RunResponse response =
      AnswerTo(stub_.get(), StartOf({"vt", "echo"}), "1.2.3", 1001);
  EXPECT_EQ(response.replace().version(), "1.2.3");
  EXPECT_EQ(response.replace().build(), 1000U);
  OnLoop([&] {
    EXPECT_EQ(shutdowns_, std::vector<bool>{false});
    EXPECT_TRUE(runner_->started_.empty());
  });
}

TEST_F(RunCallTest, AnOlderShimAndAnEditorAreServed) {
  EXPECT_TRUE(
      AnswerTo(stub_.get(), StartOf({"vt", "echo"}), "1.2.3", 1000).has_exit());
  EXPECT_TRUE(
      AnswerTo(stub_.get(), StartOf({"vt", "echo"}), "1.2.2", 9999).has_exit());
  EXPECT_TRUE(
      AnswerTo(stub_.get(), StartOf({"vt", "echo"}), "9.9.9", 0).has_exit());
  OnLoop([&] { EXPECT_TRUE(shutdowns_.empty()); });
}

TEST_F(RunCallTest, AShimIsToldToReplaceADaemonThatLostItsCache) {
  OnLoop([&] { is_obsolete_ = true; });
  EXPECT_TRUE(AnswerTo(stub_.get(), StartOf({"vt", "echo"}), "1.2.3", 1000)
                  .has_replace());
}

TEST_F(RunCallTest, ALeavingDaemonSendsEverybodyElsewhere) {
  OnLoop([&] { connections_ = 0; });
  // Connected before, so that the listener is not needed.
  EXPECT_TRUE(
      AnswerTo(stub_.get(), StartOf({"vt", "echo"}), "1.2.3", 1000).has_exit());
  OnLoop([&] { server_->StopAccepting(); });
  EXPECT_TRUE(AnswerTo(stub_.get(), StartOf({"vt", "echo"}), "1.2.3", 1000)
                  .has_replace());
  grpc::ClientContext context;
  auto stream = stub_->Run(&context);
  stream->Write(StartOf({"vt", "echo"}));
  EXPECT_EQ(stream->Finish().error_code(), grpc::StatusCode::UNAVAILABLE);
}

TEST(IsNewerTest, ComparesVersionsAsNumbersThenBuilds) {
  EXPECT_TRUE(IsNewer("0.10.0", 1, "0.9.0", 2));
  EXPECT_FALSE(IsNewer("0.9.0", 2, "0.10.0", 1));
  EXPECT_TRUE(IsNewer("1.0.0", 2, "1.0.0", 1));
  EXPECT_FALSE(IsNewer("1.0.0", 1, "1.0.0", 1));
  EXPECT_TRUE(IsNewer("strange", 2, "1.0.0", 1));
  EXPECT_FALSE(IsNewer("", 1, "1.0.0", 1));
}

}  // namespace
}  // namespace vt::service
