// SPDX-License-Identifier: Apache-2.0

#include <string>

#include "tests/unit/service/server_fixture.h"

namespace vt::service {
namespace {

using vtask::v1::RunEvent;

class SubscribeCallTest : public ServerFixture {
 protected:
  // Publishes one event of about `size` bytes.
  void Publish(uint64_t sequence, bool is_output, size_t size) {
    RunEvent event;
    event.set_sequence(sequence);
    std::string text(size, 'x');
    if (is_output) {
      event.mutable_action_output()->set_data(std::move(text));
    } else {
      event.mutable_notice()->set_text(std::move(text));
    }
    OnLoop([&] { runner_->Publish(event); });
  }
};

TEST_F(SubscribeCallTest, EventsArriveInOrder) {
  grpc::ClientContext context;
  auto stream = stub_->Subscribe(&context, {});
  // The headers say: from now on.
  stream->WaitForInitialMetadata();
  Publish(1, false, 10);
  Publish(2, true, 10);
  RunEvent event;
  ASSERT_TRUE(stream->Read(&event));
  EXPECT_EQ(event.sequence(), 1U);
  ASSERT_TRUE(stream->Read(&event));
  EXPECT_EQ(event.sequence(), 2U);
  context.TryCancel();
  EXPECT_FALSE(stream->Finish().ok());
  EXPECT_TRUE(Eventually([&] { return runner_->subscriber_count() == 0; }));
}

TEST_F(SubscribeCallTest, ASlowSubscriberLosesTheOldestOutputOnly) {
  grpc::ClientContext context;
  auto stream = stub_->Subscribe(&context, {});
  stream->WaitForInitialMetadata();
  // Far more than the wire and the queue take while nobody reads.
  constexpr uint64_t kOutputs = 64;
  for (uint64_t i = 1; i <= kOutputs; ++i) {
    Publish(2 * i - 1, true, 1 << 20);
    Publish(2 * i, false, 10);
  }
  uint64_t notices = 0;
  uint64_t outputs = 0;
  uint64_t last = 0;
  RunEvent event;
  while (last < 2 * kOutputs && stream->Read(&event)) {
    EXPECT_GT(event.sequence(), last);
    last = event.sequence();
    ++(event.has_notice() ? notices : outputs);
  }
  EXPECT_EQ(last, 2 * kOutputs);
  EXPECT_EQ(notices, kOutputs);
  EXPECT_LT(outputs, kOutputs);
}

TEST_F(SubscribeCallTest, ASubscriberThatNeverReadsIsCutOff) {
  grpc::ClientContext context;
  auto stream = stub_->Subscribe(&context, {});
  stream->WaitForInitialMetadata();
  uint64_t sequence = 0;
  EXPECT_TRUE(Eventually([&] {
    RunEvent event;
    event.set_sequence(++sequence);
    event.mutable_notice()->set_text(std::string(100000, 'x'));
    runner_->Publish(event);
    return runner_->subscriber_count() == 0;
  }));
  RunEvent event;
  while (stream->Read(&event)) {
  }
  EXPECT_EQ(stream->Finish().error_code(),
            grpc::StatusCode::RESOURCE_EXHAUSTED);
}

TEST_F(SubscribeCallTest, StopEndsSubscriptions) {
  grpc::ClientContext context;
  auto stream = stub_->Subscribe(&context, {});
  stream->WaitForInitialMetadata();
  const absl::Time start = absl::Now();
  EXPECT_TRUE(server_->Stop(80000));
  // Calls that end by themselves have half of the time.
  EXPECT_LT(absl::Now() - start, absl::Seconds(20));
  EXPECT_EQ(stream->Finish().error_code(), grpc::StatusCode::UNAVAILABLE);
}

}  // namespace
}  // namespace vt::service
