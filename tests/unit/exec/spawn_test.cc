// SPDX-License-Identifier: Apache-2.0

#include "daemon/exec/spawn.h"

#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/status_matchers.h"
#include "tests/support/temp_dir.h"

namespace vt::exec {
namespace {

using test::StatusIs;
using testing::HasSubstr;

class SpawnTest : public testing::Test {
 protected:
  // Runs a shell script to its end; its exit code, output in `output_`.
  int Run(const std::string& script) {
    int ends[2];
    EXPECT_EQ(::pipe2(ends, O_CLOEXEC), 0);
    base::UniqueFd reader(ends[0]);
    base::UniqueFd writer(ends[1]);
    options_.program = "/bin/sh";
    options_.argv = {"sh", "-c", script};
    options_.stdout_fd = writer.get();
    absl::StatusOr<Child> child = Spawn(options_);
    writer.Reset();
    if (!child.ok()) {
      ADD_FAILURE() << child.status();
      return -1;
    }
    output_.clear();
    char buffer[4096];
    for (ssize_t n; (n = ::read(reader.get(), buffer, sizeof buffer)) > 0;) {
      output_.append(buffer, static_cast<size_t>(n));
    }
    pid_ = child->pid;
    siginfo_t info = {};
    EXPECT_EQ(::waitid(P_PID, static_cast<id_t>(child->pid), &info, WEXITED),
              0);
    return info.si_status;
  }

  SpawnOptions options_ = [] {
    SpawnOptions options;
    options.cwd = "/";
    options.env = {"PATH=/usr/bin:/bin", "ONE=1"};
    return options;
  }();
  std::string output_;
  pid_t pid_ = 0;
};

TEST_F(SpawnTest, ArgumentsEnvironmentAndExitCodeArrive) {
  EXPECT_EQ(Run("echo $ONE $HOME; exit 42"), 42);
  EXPECT_EQ(output_, "1\n");
}

TEST_F(SpawnTest, ProgramThatIsNotThere) {
  options_.program = "/no/such/program";
  options_.argv = {"x"};
  EXPECT_THAT(Spawn(options_).status(),
              StatusIs(absl::StatusCode::kNotFound,
                       HasSubstr("execve `/no/such/program`")));
  EXPECT_EQ(::waitpid(-1, nullptr, WNOHANG), -1);  // nothing is left
  EXPECT_EQ(errno, ECHILD);
}

TEST_F(SpawnTest, ProgramThatIsNotExecutable) {
  options_.program = "/etc/passwd";
  options_.argv = {"x"};
  EXPECT_THAT(
      Spawn(options_).status(),
      StatusIs(absl::StatusCode::kPermissionDenied, HasSubstr("execve")));
}

TEST_F(SpawnTest, DirectoryThatIsNotThere) {
  options_.program = "/bin/true";
  options_.argv = {"true"};
  options_.cwd = "/no/such/directory";
  EXPECT_THAT(Spawn(options_).status(),
              StatusIs(absl::StatusCode::kNotFound,
                       HasSubstr("chdir `/no/such/directory`")));
}

TEST_F(SpawnTest, DirectoryUmaskNicenessAndLimitsAreSet) {
  test::TempDir temp;
  options_.cwd = temp.path().string();
  options_.umask = 027;
  options_.nice = 5;
  options_.limits = {{RLIMIT_NOFILE, {77, 77}}};
  EXPECT_EQ(Run("pwd; umask; nice; ulimit -n"), 0);
  EXPECT_EQ(output_, temp.path().string() + "\n0027\n5\n77\n");
}

TEST_F(SpawnTest, ChildLeadsItsOwnSessionAndGroup) {
  Run("cut -d' ' -f1,5,6 /proc/$$/stat");
  const std::string pid = std::to_string(pid_);
  EXPECT_EQ(output_, pid + " " + pid + " " + pid + "\n");
}

TEST_F(SpawnTest, OnlyThreeDescriptorsAreInherited) {
  base::UniqueFd leaky(::open("/dev/null", O_RDONLY));  // not close-on-exec
  ASSERT_GT(leaky.get(), 2);
  Run("ls /proc/$$/fd");
  EXPECT_EQ(output_, "0\n1\n2\n");
}

TEST_F(SpawnTest, DescriptorsMayBePermuted) {
  // 0, 1 and 2 of this process, the other way round.
  options_.stdin_fd = 2;
  options_.stderr_fd = 0;
  const std::string in = std::filesystem::read_symlink("/proc/self/fd/2");
  const std::string err = std::filesystem::read_symlink("/proc/self/fd/0");
  Run("readlink /proc/$$/fd/0 /proc/$$/fd/2");
  EXPECT_EQ(output_, in + "\n" + err + "\n");
}

TEST_F(SpawnTest, StandardInputIsEmptyByDefault) {
  EXPECT_EQ(Run("readlink /proc/$$/fd/0; cat"), 0);
  EXPECT_EQ(output_, "/dev/null\n");
}

TEST_F(SpawnTest, SignalsAreResetAndNoneIsBlocked) {
  sigset_t blocked;
  sigset_t before;
  sigemptyset(&blocked);
  sigaddset(&blocked, SIGUSR1);
  ::pthread_sigmask(SIG_BLOCK, &blocked, &before);
  const auto old = ::signal(SIGPIPE, SIG_IGN);
  Run("cat /proc/self/status");
  ::signal(SIGPIPE, old);
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
  for (const char* kind : {"SigBlk", "SigIgn", "SigCgt"}) {
    EXPECT_THAT(output_,
                HasSubstr(std::string(kind) + ":\t0000000000000000\n"));
  }
}

TEST_F(SpawnTest, OwnSignalMaskIsKept) {
  sigset_t before;
  sigset_t after;
  ::pthread_sigmask(SIG_SETMASK, nullptr, &before);
  Run("true");
  ::pthread_sigmask(SIG_SETMASK, nullptr, &after);
  for (int number = 1; number < 32; ++number) {
    EXPECT_EQ(sigismember(&before, number), sigismember(&after, number));
  }
}

TEST_F(SpawnTest, ChildDiesWithItsSpawner) {
  // This process becomes the reaper of the orphan, to see how it ends.
  ASSERT_EQ(::prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0), 0);
  int ends[2];
  ASSERT_EQ(::pipe2(ends, O_CLOEXEC), 0);
  base::UniqueFd reader(ends[0]);
  const pid_t spawner = ::fork();
  if (spawner == 0) {
    SpawnOptions options;
    options.program = "/bin/sleep";
    options.argv = {"sleep", "1000"};
    options.cwd = "/";
    absl::StatusOr<Child> child = Spawn(options);
    const pid_t pid = child.ok() ? child->pid : -1;
    if (::write(ends[1], &pid, sizeof pid) < 0) {
      ::_exit(2);
    }
    ::_exit(0);
  }
  ::close(ends[1]);
  pid_t sleeper = -1;
  ASSERT_EQ(::read(reader.get(), &sleeper, sizeof sleeper),
            static_cast<ssize_t>(sizeof sleeper));
  ASSERT_GT(sleeper, 0);
  ASSERT_EQ(::waitpid(spawner, nullptr, 0), spawner);
  int status = 0;
  ASSERT_EQ(::waitpid(sleeper, &status, 0), sleeper);
  EXPECT_TRUE(WIFSIGNALED(status));
  EXPECT_EQ(WTERMSIG(status), SIGKILL);
  ::prctl(PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0);
}

}  // namespace
}  // namespace vt::exec
