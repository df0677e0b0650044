// SPDX-License-Identifier: Apache-2.0

#include "shim/doctor_checks.h"

#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "daemon/base/version.h"
#include "tests/support/temp_dir.h"

namespace vt::shim {
namespace {

namespace fs = std::filesystem;
using State = Check::State;
using testing::HasSubstr;

class DoctorChecksTest : public testing::Test {
 protected:
  std::string Path(const std::string& name) {
    return (dir_.path() / name).string();
  }
  void Write(const std::string& name, const std::string& text) {
    std::ofstream(Path(name)) << text;
  }

  test::TempDir dir_;
};

TEST_F(DoctorChecksTest, ADirectoryThatIsThereOrCanBeMadeIsFine) {
  Check check = CheckDirectory("x", dir_.path().string(), ::geteuid(), true);
  EXPECT_EQ(check.state, State::kOk) << check.text;
  check = CheckDirectory("x", Path("a/b"), ::geteuid(), true);
  EXPECT_EQ(check.state, State::kOk) << check.text;
  EXPECT_THAT(check.text, HasSubstr("will be made"));
}

TEST_F(DoctorChecksTest, ADirectoryOfOthersIsAProblem) {
  fs::create_directory(Path("open"));
  fs::permissions(Path("open"), fs::perms::all);
  EXPECT_EQ(CheckDirectory("x", Path("open"), ::geteuid(), true).state,
            State::kProblem);
  EXPECT_EQ(CheckDirectory("x", Path("open"), ::geteuid(), false).state,
            State::kOk);
  EXPECT_EQ(
      CheckDirectory("x", dir_.path().string(), ::geteuid() + 1, true).state,
      State::kProblem);
  Write("file", "");
  EXPECT_EQ(CheckDirectory("x", Path("file"), ::geteuid(), false).state,
            State::kProblem);
  EXPECT_EQ(CheckDirectory("x", Path("file/below"), ::geteuid(), false).state,
            State::kProblem);
}

TEST_F(DoctorChecksTest, EndpointsAreTriedAndLeaveNothing) {
  const Check check = CheckEndpoints(dir_.path().string());
  EXPECT_EQ(check.state, State::kOk) << check.text;
  EXPECT_TRUE(fs::is_empty(dir_.path()));
  EXPECT_EQ(CheckEndpoints(Path("missing")).state, State::kProblem);
}

TEST_F(DoctorChecksTest, LowLimitsOfInotifyAreWarnings) {
  Write("max_user_watches", "8192\n");
  Write("max_user_instances", "128\n");
  Check check = CheckInotify(dir_.path().string());
  EXPECT_EQ(check.state, State::kWarning);
  EXPECT_THAT(check.text, HasSubstr("8192 watches"));
  EXPECT_THAT(check.remedy, HasSubstr("max_user_watches"));
  Write("max_user_watches", "524288\n");
  EXPECT_EQ(CheckInotify(dir_.path().string()).state, State::kOk);
  EXPECT_EQ(CheckInotify(Path("missing")).state, State::kWarning);
}

TEST_F(DoctorChecksTest, NodeIsTheFirstInPathAndHasAVersion) {
  const auto script = [&](const std::string& text) {
    Write("node", "#!/bin/sh\n" + text + "\n");
    ::chmod(Path("node").c_str(), 0755);
    return CheckNode(("/nowhere:" + dir_.path().string()).c_str());
  };
  Check check = script("echo v24.1.0");
  EXPECT_EQ(check.state, State::kOk);
  EXPECT_THAT(check.text, HasSubstr("/node v24.1.0"));
  EXPECT_EQ(script("echo v18.20.4").state, State::kWarning);
  EXPECT_EQ(script("exit 3").state, State::kProblem);
  EXPECT_EQ(CheckNode("/nowhere").state, State::kWarning);
  EXPECT_EQ(CheckNode(nullptr).state, State::kWarning);
}

TEST_F(DoctorChecksTest, TheDaemonsWordsBecomeChecks) {
  vtask::v1::StatusResponse status;
  status.set_version(std::string(base::Version()));
  status.set_build(base::BuildStamp());
  status.set_tracking_tier("1");
  EXPECT_TRUE(AllWork(CheckDaemon(status)));
  EXPECT_EQ(CheckDaemon(status)[0].state, State::kOk);
  status.set_version("other");
  EXPECT_EQ(CheckDaemon(status)[0].state, State::kWarning);
  status.set_tracking_tier("2 (kernel 6.1)");
  EXPECT_EQ(CheckDaemon(status)[1].state, State::kWarning);
  status.set_tracking_tier("4 (denied)");
  EXPECT_EQ(CheckDaemon(status)[1].state, State::kProblem);
  status.add_health("the store is damaged");
  EXPECT_EQ(CheckDaemon(status)[2].text, "the store is damaged");
}

TEST_F(DoctorChecksTest, TextAndJson) {
  const std::vector<Check> checks = {{"a", State::kOk, "fine", ""},
                                     {"b", State::kWarning, "so-so", "do x"}};
  EXPECT_EQ(DescribeChecks(checks),
            "ok       a             fine\n"
            "warning  b             so-so\n"
            "                       -> do x\n");
  EXPECT_EQ(ChecksJson(checks),
            R"({"ok":true,"checks":[{"name":"a","state":"ok","text":"fine"},)"
            R"({"name":"b","state":"warning","text":"so-so",)"
            R"("remedy":"do x"}]})"
            "\n");
  EXPECT_THAT(ChecksJson({{"c", State::kProblem, "", ""}}),
              HasSubstr(R"({"ok":false)"));
}

}  // namespace
}  // namespace vt::shim
