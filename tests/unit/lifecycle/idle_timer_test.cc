// SPDX-License-Identifier: Apache-2.0

#include "daemon/lifecycle/idle_timer.h"

#include <memory>

#include <gtest/gtest.h>

#include "daemon/base/mutex.h"

namespace vt::lifecycle {
namespace {

class IdleTimerTest : public testing::Test {
 protected:
  void OnLoop(const std::function<void()>& work) {
    base::Notification done;
    loop_->Post([&] {
      work();
      done.Notify();
    });
    done.Wait();
  }
  void TearDown() override {
    OnLoop([&] {
      timer_.reset();
      later_.reset();
    });
  }

  std::unique_ptr<loop::EventLoop> loop_ = *loop::EventLoop::Start();
  std::unique_ptr<IdleTimer> timer_;
  std::unique_ptr<loop::Timer> later_;
  bool fired_ = false;
};

TEST_F(IdleTimerTest, FiresWhenNothingEverHappens) {
  base::Notification fired;
  OnLoop([&] {
    timer_ = std::make_unique<IdleTimer>(
        loop_.get(), [] { return absl::Milliseconds(1); },
        [&] { fired.Notify(); });
  });
  fired.Wait();
}

TEST_F(IdleTimerTest, DoesNotFireWhileThereIsWorkButAfterIt) {
  base::Notification fired;
  base::Notification much_later;
  OnLoop([&] {
    timer_ = std::make_unique<IdleTimer>(
        loop_.get(), [] { return absl::Milliseconds(1); },
        [&] {
          fired_ = true;
          fired.Notify();
        });
    timer_->SetBusy(true);
    // Same clock, same loop: it would have fired before this.
    later_ = std::make_unique<loop::Timer>(loop_.get(), absl::Milliseconds(20),
                                           [&] { much_later.Notify(); });
  });
  much_later.Wait();
  OnLoop([&] {
    EXPECT_FALSE(fired_);
    timer_->SetBusy(false);
  });
  fired.Wait();
}

TEST_F(IdleTimerTest, InfinitePatienceNeedsNoTimer) {
  OnLoop([&] {
    timer_ = std::make_unique<IdleTimer>(
        loop_.get(), [] { return absl::InfiniteDuration(); },
        [&] { fired_ = true; });
    timer_->SetBusy(true);
    timer_->SetBusy(false);
  });
  OnLoop([&] { EXPECT_FALSE(fired_); });
}

}  // namespace
}  // namespace vt::lifecycle
