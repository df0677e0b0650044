// SPDX-License-Identifier: Apache-2.0

#include "daemon/exec/process.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "daemon/base/mutex.h"
#include "daemon/exec/process_tree.h"

namespace vt::exec {
namespace {

using testing::IsEmpty;
using testing::SizeIs;

class ProcessTest : public testing::Test {
 protected:
  void SetUp() override {
    // As main() does for the daemon.
    ::prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
    loop_ = *loop::EventLoop::Start();
  }
  void TearDown() override {
    OnLoop([this] { process_.reset(); });
    loop_.reset();
    if (child_pid_ > 0) {
      KillLeftovers(child_pid_, marker_);
    }
  }

  void OnLoop(std::function<void()> work) {
    base::Notification done;
    loop_->Post([&] {
      work();
      done.Notify();
    });
    done.Wait();
  }

  // Starts a shell script, which is ready when it has written `lines` bytes.
  void Start(const std::string& script, int lines = 1) {
    int ends[2];
    ASSERT_EQ(::pipe2(ends, O_CLOEXEC), 0);
    base::UniqueFd reader(ends[0]);
    base::UniqueFd writer(ends[1]);
    OnLoop([&] {
      SpawnOptions options;
      options.program = "/bin/sh";
      options.argv = {"sh", "-c", script};
      options.env = {"PATH=/usr/bin:/bin", marker_};
      options.cwd = "/";
      options.stdout_fd = writer.get();
      absl::StatusOr<Child> child = Spawn(options);
      ASSERT_TRUE(child.ok()) << child.status();
      child_pid_ = child->pid;
      process_ = Process::Watch(loop_.get(), *std::move(child),
                                [this](ExitStatus status) {
                                  status_ = status;
                                  exited_.Notify();
                                });
    });
    writer.Reset();
    char byte;
    for (int i = 0; i < lines; ++i) {
      (void)!::read(reader.get(), &byte, 1);
    }
  }

  // Of this process alone: tests run side by side.
  const std::string marker_ = absl::StrCat("VT_MARK=test.", ::getpid());

  std::vector<ProcessEntry> Left() {
    std::vector<ProcessEntry> left;
    for (const ProcessEntry& entry : ListProcesses()) {
      if (entry.session == child_pid_ ||
          IsMarked(entry, marker_) == Marked::kYes) {
        left.push_back(entry);
      }
    }
    return left;
  }

  std::unique_ptr<loop::EventLoop> loop_;
  std::unique_ptr<Process> process_;
  pid_t child_pid_ = 0;
  ExitStatus status_;
  base::Notification exited_;
};

TEST_F(ProcessTest, ExitCodeArrives) {
  Start("exit 7");
  exited_.Wait();
  EXPECT_EQ(status_.code, 7);
  EXPECT_EQ(status_.signal, 0);
  EXPECT_EQ(::waitpid(child_pid_, nullptr, WNOHANG), -1);  // reaped
}

TEST_F(ProcessTest, SignalThatKilledItArrives) {
  Start("kill -9 $$");
  exited_.Wait();
  EXPECT_EQ(status_.code, 128 + SIGKILL);
  EXPECT_EQ(status_.signal, SIGKILL);
}

TEST_F(ProcessTest, SignalReachesTheGroupAndDescendantsThatLeftIt) {
  Start("setsid sh -c 'echo; exec sleep 1000' & echo; wait; exit 3", 2);
  std::vector<ProcessEntry> left = Left();
  while (left.size() < 2) {
    left = Left();  // one that is just being executed shows no environment
  }
  std::vector<base::UniqueFd> members;
  for (const ProcessEntry& entry : left) {
    members.emplace_back(
        static_cast<int>(::syscall(SYS_pidfd_open, entry.pid, 0)));
  }
  ASSERT_THAT(members, SizeIs(2));
  OnLoop([this] { process_->SignalTree(SIGTERM); });
  exited_.Wait();
  EXPECT_EQ(status_.signal, SIGTERM);
  for (const base::UniqueFd& member : members) {
    pollfd item = {member.get(), POLLIN, 0};
    EXPECT_EQ(::poll(&item, 1, /*timeout=*/10000), 1);
  }
}

TEST_F(ProcessTest, SecondTerminateKillsAtOnce) {
  Start("trap '' INT TERM; echo; while :; do sleep 1000; done");
  OnLoop([this] {
    process_->Terminate(SIGINT);
    process_->Terminate(SIGINT);
  });
  exited_.Wait();
  EXPECT_EQ(status_.signal, SIGKILL);
}

TEST_F(ProcessTest, TerminatedWithTermIsKilledTwoSecondsLater) {
  Start("trap '' INT TERM; echo; while :; do sleep 1000; done");
  const absl::Time start = absl::Now();
  OnLoop([this] { process_->Terminate(SIGTERM); });
  exited_.Wait();
  EXPECT_EQ(status_.signal, SIGKILL);
  EXPECT_GE(absl::Now() - start, absl::Seconds(1.9));
}

TEST_F(ProcessTest, CallbackMayDestroyTheProcess) {
  base::Notification gone;
  OnLoop([&] {
    SpawnOptions options;
    options.program = "/bin/true";
    options.argv = {"true"};
    options.cwd = "/";
    process_ =
        Process::Watch(loop_.get(), *Spawn(options), [this, &gone](ExitStatus) {
          process_.reset();
          gone.Notify();
        });
  });
  gone.Wait();
}

TEST_F(ProcessTest, LeftoversAreKilledAndReaped) {
  // One stays in the group, one leaves it by setsid and a double fork, keeping
  // the mark in its environment.
  const std::string sleeper = "sh -c 'echo; exec sleep 1000' &";
  Start(sleeper + " (setsid " + sleeper + ") ; (setsid " + sleeper + ")", 3);
  exited_.Wait();
  EXPECT_THAT(Left(), SizeIs(testing::Ge(3U)));
  KillLeftovers(child_pid_, marker_);
  EXPECT_THAT(Left(), IsEmpty());
}

TEST_F(ProcessTest, OrphansAreReapedButNotTheWatched) {
  Start("(sh -c 'exit 0' & ) ; echo; exec sleep 1000");
  const pid_t orphan = ::fork();
  if (orphan == 0) {
    ::_exit(0);
  }
  siginfo_t info = {};
  ASSERT_EQ(
      ::waitid(P_PID, static_cast<id_t>(orphan), &info, WEXITED | WNOWAIT), 0);
  ReapOrphans([&](pid_t pid) { return pid == orphan; });
  EXPECT_EQ(
      ::waitid(P_PID, static_cast<id_t>(orphan), &info, WEXITED | WNOWAIT), 0);
  ReapOrphans([](pid_t) { return false; });
  EXPECT_EQ(::waitpid(orphan, nullptr, WNOHANG), -1);
}

TEST(ProcessTreeTest, TreeHoldsSessionGroupAndDescendants) {
  //                  pid parent group session
  const std::vector<ProcessEntry> all = {
      {1, 0, 1, 1, 'S', 0},     {10, 1, 10, 10, 'S', 0},
      {11, 10, 10, 10, 'S', 0}, {12, 11, 12, 12, 'S', 0},
      {13, 1, 13, 10, 'S', 0},  {14, 12, 12, 12, 'S', 0},
      {20, 1, 20, 20, 'S', 0}};
  std::vector<pid_t> pids;
  for (const ProcessEntry& entry : TreeOf(10, all)) {
    pids.push_back(entry.pid);
  }
  EXPECT_THAT(pids, testing::UnorderedElementsAre(10, 11, 12, 13, 14));
}

}  // namespace
}  // namespace vt::exec
