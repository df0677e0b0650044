// SPDX-License-Identifier: Apache-2.0

#include "daemon/run/jobserver.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <functional>
#include <memory>
#include <string>

#include <gtest/gtest.h>

#include "daemon/base/mutex.h"
#include "daemon/run/slots.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temp_dir.h"

namespace vt::run {
namespace {

class JobserverTest : public testing::Test {
 protected:
  JobserverTest()
      : path_((dir_.path() / "jobs").string()),
        loop_(*loop::EventLoop::Start()) {}
  ~JobserverTest() override {
    OnLoop([this] { jobserver_ = nullptr; });
  }

  void OnLoop(const std::function<void()>& work) {
    base::Notification done;
    loop_->Post([&] {
      work();
      done.Notify();
    });
    done.Wait();
  }
  void Open(int tokens) {
    OnLoop([this, tokens] {
      auto opened = Jobserver::Open(loop_.get(), path_, tokens);
      ASSERT_THAT(opened, test::IsOk());
      jobserver_ = *std::move(opened);
    });
  }
  // How many there are to take, all of which it takes.
  int TakeAll() {
    int count = 0;
    while (jobserver_->Take()) {
      ++count;
    }
    return count;
  }

  test::TempDir dir_;
  const std::string path_;
  std::unique_ptr<loop::EventLoop> loop_;
  std::unique_ptr<Jobserver> jobserver_;
};

TEST_F(JobserverTest, HoldsItsTokensInAFifoOfTheUsersOwn) {
  Open(3);
  struct stat facts = {};
  ASSERT_EQ(::stat(path_.c_str(), &facts), 0);
  EXPECT_TRUE(S_ISFIFO(facts.st_mode));
  EXPECT_EQ(facts.st_mode & 0777, 0600U);
  EXPECT_EQ(jobserver_->MakeFlags(), " -j3 --jobserver-auth=fifo:" + path_);
  EXPECT_EQ(TakeAll(), 3);
}

TEST_F(JobserverTest, WhatAToolTakesIsTakenFromUsToo) {
  Open(2);
  const int tool = ::open(path_.c_str(), O_RDWR | O_NONBLOCK | O_CLOEXEC);
  char token = 0;
  ASSERT_EQ(::read(tool, &token, 1), 1);
  EXPECT_EQ(TakeAll(), 1);
  base::Notification freed;
  OnLoop([&] { jobserver_->WhenFree([&] { freed.Notify(); }); });
  ASSERT_EQ(::write(tool, &token, 1), 1);
  freed.Wait();
  EXPECT_EQ(TakeAll(), 1);
  ::close(tool);
}

TEST_F(JobserverTest, TokensOfAToolThatDiedComeBack) {
  Open(2);
  TakeAll();
  jobserver_->Refill(/*held=*/0);
  EXPECT_EQ(TakeAll(), 2);
}

TEST_F(JobserverTest, AFifoOfADeadDaemonIsReplaced) {
  ASSERT_EQ(::mkfifo(path_.c_str(), 0600), 0);
  Open(2);
  EXPECT_EQ(TakeAll(), 2);
}

TEST_F(JobserverTest, SlotsAreTokens) {
  Open(2);
  OnLoop([this] {
    Slots slots;
    slots.SetLimit(2, /*soft=*/false);
    slots.SetTokens(jobserver_.get());
    const char run = 0;
    EXPECT_TRUE(slots.Acquire(&run, false, 1, [] {}));
    EXPECT_EQ(TakeAll(), 1);  // tools
    bool served = false;
    EXPECT_FALSE(slots.Acquire(&run, false, 2, [&] { served = true; }));
    // Nobody works: what tools have not given back is back, and one is taken.
    slots.Release(1);
    EXPECT_TRUE(served);
    EXPECT_EQ(TakeAll(), 1);
    slots.Release(2);
    EXPECT_EQ(TakeAll(), 2);
  });
}

// A process that has the fifo open until it is told to end. Thread-compatible.
class Tool {
 public:
  explicit Tool(const std::string& fifo) {
    int ends[2];
    EXPECT_EQ(::pipe2(ends, O_CLOEXEC), 0);
    int ready[2];
    EXPECT_EQ(::pipe2(ready, O_CLOEXEC), 0);
    pid_ = ::fork();
    if (pid_ == 0) {
      ::close(ends[1]);
      char byte = 0;
      const int fd = ::open(fifo.c_str(), O_RDWR | O_NONBLOCK);
      static_cast<void>(fd >= 0 && ::read(fd, &byte, 1) == 1);
      static_cast<void>(::write(ready[1], "+", 1) == 1);
      static_cast<void>(::read(ends[0], &byte, 1) == 1);
      ::_exit(0);
    }
    ::close(ends[0]);
    ::close(ready[1]);
    char byte = 0;
    EXPECT_EQ(::read(ready[0], &byte, 1), 1);
    ::close(ready[0]);
    end_ = ends[1];
  }
  Tool(const Tool&) = delete;
  Tool& operator=(const Tool&) = delete;
  // With its token, as if it was killed.
  ~Tool() {
    ::close(end_);
    ::waitpid(pid_, nullptr, 0);
  }

 private:
  pid_t pid_ = 0;
  int end_ = -1;
};

TEST_F(JobserverTest, WhoHasTheFifoOpenIsSeen) {
  Open(2);
  EXPECT_FALSE(jobserver_->IsInUse());
  {
    const Tool tool(path_);
    EXPECT_TRUE(jobserver_->IsInUse());
  }
  EXPECT_FALSE(jobserver_->IsInUse());
}

TEST_F(JobserverTest, WhatAToolTookWithItIsBackAlsoWhileOthersWork) {
  Open(4);
  OnLoop([this] {
    Slots slots;
    slots.SetLimit(4, /*soft=*/false);
    slots.SetTokens(jobserver_.get());
    const char run = 0;
    for (const ActionId id : {1, 2, 3}) {
      EXPECT_TRUE(slots.Acquire(&run, false, id, [] {}));
    }
    { const Tool tool(path_); }
    slots.Release(2);  // its tools have given back what they had
    EXPECT_EQ(TakeAll(), 1);
    jobserver_->Put();
    {
      const Tool other(path_);
      slots.Release(1, /*was_killed=*/true);
      // Of two that are missing one may be in use.
      EXPECT_EQ(TakeAll(), 1);
      jobserver_->Put();
    }
    EXPECT_TRUE(slots.Acquire(&run, false, 4, [] {}));
    slots.Release(4);
    EXPECT_EQ(TakeAll(), 3);  // all but that of 3
    slots.Release(3);
  });
}

TEST_F(JobserverTest, WhoWaitsIsServedWhenAToolGivesOneBack) {
  Open(2);
  Slots slots;
  const char run = 0;
  base::Notification served;
  OnLoop([&] {
    slots.SetLimit(2, /*soft=*/false);
    slots.SetTokens(jobserver_.get());
    EXPECT_TRUE(slots.Acquire(&run, false, 1, [] {}));
    EXPECT_TRUE(jobserver_->Take());  // a tool
    EXPECT_FALSE(slots.Acquire(&run, false, 2, [&] { served.Notify(); }));
  });
  OnLoop([&] { jobserver_->Put(); });
  served.Wait();
  OnLoop([] {});  // until the loop is done with `slots`
}

}  // namespace
}  // namespace vt::run
