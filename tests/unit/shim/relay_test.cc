// SPDX-License-Identifier: Apache-2.0
//
// Bytes, signals, exit codes and tasks on the terminal: real processes.

#include "shim/relay.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>

#include "absl/strings/str_replace.h"
#include <gmock/gmock.h>

#include "tests/unit/shim/vt_process.h"

namespace vt::shim {
namespace {

using testing::HasSubstr;

class RelayTest : public test::VtTest {
 protected:
  // A script below the test's directory.
  std::string Script(const std::string& text) {
    const std::string name = path() / "script.sh";
    std::ofstream(name) << "#!/bin/sh\n" << text;
    std::filesystem::permissions(name, std::filesystem::perms::owner_all);
    return name;
  }
};

TEST_F(RelayTest, EveryByteArrives) {
  const Result result = Run({"print", "1", "200", "60000"});
  EXPECT_EQ(result.code, 0);
  ASSERT_EQ(result.output.size(), 200U * 60000);
  for (size_t i = 0; i < 200; ++i) {
    ASSERT_EQ(result.output[i * 60000], static_cast<char>('a' + i % 26)) << i;
  }
}

TEST_F(RelayTest, StderrGoesToStderr) {
  env_["UNUSED"] = "";
  EXPECT_EQ(Run({"print", "2", "3", "5"}).output, "aaaaabbbbbccccc");
}

TEST_F(RelayTest, ClosedOutputEndsTheShimAsSigpipeWould) {
  ASSERT_EQ(Run({"daemon", "start"}).code, 0);
  test::Program shim = Start({"print", "1", "500", "60000"});
  ASSERT_TRUE(shim.WaitFor("aaaa"));
  shim.CloseOutput();
  const int status = shim.WaitStatus();
  EXPECT_TRUE(WIFSIGNALED(status));
  EXPECT_EQ(WTERMSIG(status), SIGPIPE);
}

TEST_F(RelayTest, StatusOfTheDaemonIsPrintedDecoded) {
  const Result result = Run({"fail", "9", "not %22here%22"});
  EXPECT_EQ(result.code, 69);
  EXPECT_EQ(result.output, "vt: not \"here\"\n");
}

TEST_F(RelayTest, LostDaemonIsSaidAfterWhatItPrinted) {
  const Result result = Run({"cut"});
  EXPECT_EQ(result.code, 69);
  EXPECT_THAT(result.output,
              testing::StartsWith("partial\nvt: lost the daemon"));
}

TEST_F(RelayTest, KilledDaemonIsALostDaemon) {
  test::Program shim = Start({"signals", "1"});
  ASSERT_TRUE(shim.WaitFor("ready\n"));
  ASSERT_EQ(::kill(Starts().at(0), SIGKILL), 0);
  EXPECT_EQ(shim.Wait(), 69);
  EXPECT_THAT(shim.output(), HasSubstr("vt: lost the daemon"));
}

TEST_F(RelayTest, SignalsAreForwardedAndTheDaemonDecidesTheCode) {
  test::Program shim = Start({"signals", "2"});
  ASSERT_TRUE(shim.WaitFor("ready\n"));
  ::kill(shim.pid(), SIGINT);
  ASSERT_TRUE(shim.WaitFor("signal 2\n"));
  ::kill(shim.pid(), SIGTERM);
  EXPECT_EQ(shim.Wait(), 143);
  EXPECT_THAT(shim.output(), HasSubstr("signal 15\n"));
}

// Takes the ten seconds that the shim gives the daemon after a second Ctrl-C.
TEST_F(RelayTest, SecondInterruptEndsAShimThatIsStuck) {
  ASSERT_EQ(Run({"daemon", "start"}).code, 0);
  test::Program shim = Start({"print", "1", "500", "60000"});
  ASSERT_TRUE(shim.WaitFor("aaaa"));
  // Nobody reads the output now; a shim that sat in write(2) would stay for
  // ever.
  ::kill(shim.pid(), SIGINT);
  ::kill(shim.pid(), SIGTERM);
  siginfo_t info = {};
  ASSERT_EQ(
      ::waitid(P_PID, static_cast<id_t>(shim.pid()), &info, WEXITED | WNOWAIT),
      0);
  EXPECT_EQ(shim.Wait(), 130);
}

TEST_F(RelayTest, IgnoredInterruptStaysIgnored) {
  ignore_interrupts_ = true;
  test::Program shim = Start({"signals", "1"});
  ASSERT_TRUE(shim.WaitFor("ready\n"));
  ::kill(shim.pid(), SIGINT);
  ::kill(shim.pid(), SIGHUP);
  EXPECT_EQ(shim.Wait(), 129);
  EXPECT_THAT(shim.output(), testing::Not(HasSubstr("signal 2\n")));
}

TEST_F(RelayTest, StopAndContinueWorkAsForAnyProgram) {
  test::Program shim = Start({"signals", "1"});
  ASSERT_TRUE(shim.WaitFor("ready\n"));
  ::kill(shim.pid(), SIGTSTP);
  int status = 0;
  // A process group that is orphaned cannot be stopped by SIGTSTP (POSIX), and
  // under ctest ours may be one: then SIGSTOP.
  if (::waitpid(shim.pid(), &status, WUNTRACED | WNOHANG) == 0) {
    ::kill(shim.pid(), SIGSTOP);
    ASSERT_EQ(::waitpid(shim.pid(), &status, WUNTRACED), shim.pid());
  }
  EXPECT_TRUE(WIFSTOPPED(status));
  ::kill(shim.pid(), SIGCONT);
  ::kill(shim.pid(), SIGTERM);
  EXPECT_EQ(shim.Wait(), 143);
}

TEST_F(RelayTest, TaskOnTheTerminalHasTheShimsOutputAndTheGivenEnvironment) {
  const std::string script = Script("pwd; echo $GIVEN; echo $0 $1; exit 33\n");
  const Result result = Run({"execute", "/usr", script, "one"});
  EXPECT_EQ(result.code, 33);
  EXPECT_THAT(result.output, HasSubstr("running\n"));
  // The daemon's word may come between the task's.
  EXPECT_THAT(absl::StrReplaceAll(result.output, {{"running\n", ""}}),
              HasSubstr("/usr\nyes\n" + script + " one\n"));
  EXPECT_THAT(result.output, HasSubstr("code 33\n"));
}

TEST_F(RelayTest, TaskThatCannotStartIsReportedWithTheReason) {
  EXPECT_THAT(Run({"execute", ".", "/no/such"}).output,
              HasSubstr("not started: execve `/no/such`: No such file"));
  EXPECT_THAT(Run({"execute", "/no/dir", "/bin/true"}).output,
              HasSubstr("not started: chdir `/no/dir`: No such file"));
}

TEST_F(RelayTest, TaskInTheShimsGroupGetsTheTerminalsInterruptItself) {
  const std::string script = Script(
      // A trap waits for a foreground child, and dash forgets a signal that
      // comes between fork and exec: `wait` is interrupted at once.
      "trap 'echo trapped; kill $!; exit 33' INT\nsleep 100 &\n"
      "echo up\nwait $!\n");
  test::Program shim = Start({"execute", ".", script});
  ASSERT_TRUE(shim.WaitFor("up\n"));
  ASSERT_TRUE(shim.WaitFor("running\n"));
  ::kill(-shim.pid(), SIGINT);  // what a terminal does
  EXPECT_EQ(shim.Wait(), 33);
  EXPECT_THAT(shim.output(), HasSubstr("trapped\n"));
}

TEST_F(RelayTest, InterruptSentToTheShimAloneReachesTheTask) {
  test::Program shim = Start(
      {"execute", ".",
       Script("trap 'echo trapped; kill $!; exit 33' INT\nsleep 100 &\n"
              "echo up\nwait $!\n")});
  ASSERT_TRUE(shim.WaitFor("up\n"));
  ASSERT_TRUE(shim.WaitFor("running\n"));
  ::kill(shim.pid(), SIGINT);
  EXPECT_EQ(shim.Wait(), 33);
  EXPECT_THAT(shim.output(), HasSubstr("trapped\n"));
}

TEST_F(RelayTest, ShimDiesByTheSignalItsTaskDiedOf) {
  test::Program shim =
      Start({"execute", ".", Script("echo up; kill -INT $$\n")});
  const int status = shim.WaitStatus();
  ASSERT_TRUE(WIFSIGNALED(status));
  EXPECT_EQ(WTERMSIG(status), SIGINT);
  EXPECT_THAT(shim.output(), HasSubstr("code 130\n"));
}

TEST_F(RelayTest, TerminationIsForwardedToTheTask) {
  test::Program shim = Start({"execute", ".",
                              Script("trap 'echo asked; exit 5' TERM; echo up\n"
                                     "while :; do sleep 100 & wait; done\n")});
  ASSERT_TRUE(shim.WaitFor("up\n"));
  ::kill(shim.pid(), SIGTERM);
  EXPECT_EQ(shim.Wait(), 5);
  EXPECT_THAT(shim.output(), HasSubstr("asked\n"));
}

TEST_F(RelayTest, ExitWhileATaskRunsEndsTheTask) {
  test::Program shim =
      Start({"execute-then", "4", Script("echo up; exec sleep 1000\n")});
  EXPECT_EQ(shim.Wait(), 4);  // and the pipe is closed: nobody is left
}

TEST_F(RelayTest, TaskOnTheTerminalSurvivesTheDaemon) {
  const std::string gate = path() / "gate";
  ASSERT_EQ(::mkfifo(gate.c_str(), 0600), 0);
  test::Program shim =
      Start({"execute", ".",
             Script("read x < " + gate + "; echo finished $x; exit 6\n")});
  ASSERT_TRUE(shim.WaitFor("running\n"));
  ASSERT_EQ(::kill(Starts().at(0), SIGKILL), 0);
  std::ofstream(gate) << "well\n";
  EXPECT_EQ(shim.Wait(), 6);
  EXPECT_THAT(shim.output(), HasSubstr("finished well\n"));
  EXPECT_THAT(shim.output(), HasSubstr("vt: lost the daemon"));
}

TEST_F(RelayTest, KilledShimTakesItsTasksWholeTreeAlong) {
  // All of the tree holds the output pipe; reading to its end proves the end of
  // them all.
  test::Program shim = Start(
      {"execute", ".",
       Script("trap '' TERM HUP INT\n"
              "setsid sh -c 'trap \"\" TERM HUP; (sleep 1000 &) ; sleep 1000' "
              "&\necho up\nsleep 1000\n")});
  ASSERT_TRUE(shim.WaitFor("running\n"));
  ASSERT_TRUE(shim.WaitFor("up\n"));
  ::kill(shim.pid(), SIGKILL);
  EXPECT_EQ(shim.Wait(), 137);
}

}  // namespace
}  // namespace vt::shim
