// SPDX-License-Identifier: Apache-2.0
//
// How `vt` finds, starts and replaces daemons: real processes, a fake daemon.

#include <signal.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstring>
#include <fstream>

#include <gmock/gmock.h>

#include "tests/unit/shim/vt_process.h"

namespace vt::shim {
namespace {

using testing::HasSubstr;
using testing::SizeIs;

class ConnectTest : public test::VtTest {};

TEST_F(ConnectTest, FirstCallStartsADaemonAndTheNextFindsIt) {
  EXPECT_EQ(Run({"exit", "0"}).code, 0);
  EXPECT_EQ(Run({"exit", "7"}).code, 7);
  EXPECT_THAT(Starts(), SizeIs(1));
}

TEST_F(ConnectTest, TenShimsAtOnceStartOneDaemon) {
  std::vector<test::Program> shims;
  for (int i = 0; i < 10; ++i) {
    shims.push_back(Start({"exit", std::to_string(i)}));
  }
  for (int i = 0; i < 10; ++i) {
    EXPECT_EQ(shims[static_cast<size_t>(i)].Wait(), i);
  }
  EXPECT_THAT(Starts(), SizeIs(1));
}

TEST_F(ConnectTest, KilledDaemonIsReplacedSilently) {
  ASSERT_EQ(Run({"exit", "0"}).code, 0);
  // The socket file and the lock file stay behind.
  ASSERT_EQ(::kill(Starts().at(0), SIGKILL), 0);
  const Result result = Run({"exit", "5"});
  EXPECT_EQ(result.code, 5);
  EXPECT_EQ(result.output, "");
  EXPECT_THAT(Starts(), SizeIs(2));
}

TEST_F(ConnectTest, CallersWithAnotherRuntimeDirectoryShareTheDaemon) {
  ASSERT_EQ(Run({"exit", "0"}).code, 0);
  env_["XDG_RUNTIME_DIR"] = path() / "other";
  EXPECT_EQ(Run({"exit", "4"}).code, 4);
  EXPECT_THAT(Starts(), SizeIs(1));
}

TEST_F(ConnectTest, SocketNamesOfAnyLengthWork) {
  env_["XDG_RUNTIME_DIR"] = path() / std::string(150, 'r');
  EXPECT_EQ(Run({"exit", "3"}).code, 3);
  EXPECT_EQ(Run({"exit", "4"}).code, 4);
  EXPECT_THAT(Starts(), SizeIs(1));
}

TEST_F(ConnectTest, DaemonsOwnErrorIsShown) {
  SetMode("error");
  const Result result = Run({"exit", "0"});
  EXPECT_EQ(result.code, 69);
  EXPECT_EQ(result.output, "vt: cannot start vtaskd: the fake has no wish\n");
}

TEST_F(ConnectTest, DaemonThatDiesAtItsStartIsReportedWithItsLastWords) {
  SetMode("die");
  const Result result = Run({"exit", "0"});
  EXPECT_EQ(result.code, 69);
  EXPECT_THAT(result.output, HasSubstr("died while it was starting"));
  EXPECT_THAT(result.output, HasSubstr("/state/vtask/vtaskd.log"));
  EXPECT_THAT(result.output, HasSubstr("last words"));
}

TEST_F(ConnectTest, MissingProgramsAreNamed) {
  std::filesystem::remove(path() / "lib/vtask/vt-keeper");
  EXPECT_THAT(Run({"exit", "0"}).output,
              HasSubstr("lib/vtask/vt-keeper`: No such file"));
  std::filesystem::remove(path() / "bin/vtaskd");
  const Result result = Run({"exit", "0"});
  EXPECT_EQ(result.code, 69);
  EXPECT_THAT(result.output, HasSubstr("bin/vtaskd`: No such file"));
}

TEST_F(ConnectTest, DaemonThatEndsBeforeItAnswersIsAskedAgain) {
  EXPECT_EQ(Run({"flaky", path() / "counter"}).code, 0);
  EXPECT_EQ(Run({"refuse", path() / "counter2"}).code, 0);
}

TEST_F(ConnectTest, OlderDaemonIsReplacedAndTheCommandRuns) {
  const Result result = Run({"replace", path() / "counter"});
  EXPECT_EQ(result.code, 0);
  EXPECT_EQ(result.output, "");
  EXPECT_THAT(Starts(), SizeIs(2));
}

TEST_F(ConnectTest, DaemonThatIsAlwaysOlderServesAfterAWord) {
  const Result result = Run({"replace-older"});
  EXPECT_EQ(result.code, 0);
  EXPECT_EQ(result.output,
            "vt: the vtaskd beside this vt is older than it; install both from "
            "one build\n");
}

TEST_F(ConnectTest, EndlessReplacementIsAnError) {
  const Result result = Run({"replace-always"});
  EXPECT_EQ(result.code, 69);
  EXPECT_THAT(result.output, HasSubstr("does not give way"));
  EXPECT_THAT(Starts(), SizeIs(3));
}

TEST_F(ConnectTest, StartStatusAndStopAreIdempotent) {
  EXPECT_EQ(Run({"daemon", "status"}).code, 3);
  EXPECT_EQ(Run({"daemon", "stop"}).code, 0);
  const Result started = Run({"daemon", "start"});
  EXPECT_EQ(started.code, 0);
  EXPECT_THAT(started.output,
              HasSubstr("pid " + std::to_string(Starts().at(0))));
  EXPECT_EQ(Run({"daemon", "start"}).output, started.output);
  EXPECT_EQ(Run({"daemon", "status"}).code, 0);
  const Result stopped = Run({"daemon", "stop"});
  EXPECT_EQ(stopped.code, 0);
  EXPECT_EQ(stopped.output, "");
  EXPECT_TRUE(HasEnded(Starts().at(0)));
  EXPECT_EQ(Run({"daemon", "stop", "--now"}).code, 0);
  EXPECT_EQ(Run({"daemon", "status"}).code, 3);
  EXPECT_THAT(Starts(), SizeIs(1));
}

TEST_F(ConnectTest, DaemonCommandRefusesWhatItDoesNotKnow) {
  EXPECT_EQ(Run({"daemon", "restart"}).code, 2);
  EXPECT_EQ(Run({"daemon", "stop", "later"}).code, 2);
  EXPECT_EQ(Run({"daemon"}).code, 2);
  EXPECT_EQ(Run({"daemon", "--help"}).code, 0);
  EXPECT_THAT(Starts(), SizeIs(0));
}

TEST_F(ConnectTest, VersionNeedsNoDaemonAndNoHome) {
  env_.clear();
  const Result result = Run({"--version"});
  EXPECT_EQ(result.code, 0);
  EXPECT_THAT(result.output,
              testing::MatchesRegex("vt [0-9.]+ \\(build [0-9]+\\)\n"));
}

TEST_F(ConnectTest, DeletedDirectoryIsAnError) {
  const std::string gone = path() / "gone";
  std::filesystem::create_directory(gone);
  // The shell stands in it, removes it, and calls vt there.
  cwd_ = gone;
  ASSERT_EQ(Run({"exit", "0"}).code, 0);
  const std::string script =
      "cd '" + gone + "' && rmdir '" + gone + "' && XDG_RUNTIME_DIR='" +
      env_["XDG_RUNTIME_DIR"] + "' XDG_CACHE_HOME='" + env_["XDG_CACHE_HOME"] +
      "' XDG_STATE_HOME='" + env_["XDG_STATE_HOME"] + "' '" +
      (path() / "bin/vt").string() + "' exit 0 2>'" +
      (path() / "err").string() + "'";
  EXPECT_EQ(WEXITSTATUS(std::system(script.c_str())), 1);
  std::ifstream err(path() / "err");
  std::string line;
  std::getline(err, line);
  EXPECT_EQ(line, "vt: the current directory has been deleted");
}

}  // namespace
}  // namespace vt::shim
