// SPDX-License-Identifier: Apache-2.0

#include "daemon/run/config_step.h"

#include <filesystem>
#include <fstream>
#include <string>

#include "absl/strings/str_cat.h"
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/status_matchers.h"
#include "tests/support/temp_dir.h"

namespace vt::run {
namespace {

using testing::AllOf;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

class ConfigStepTest : public testing::Test {
 protected:
  ConfigStepTest() {
    Write("bin/node", "");
    std::filesystem::permissions(dir_.path() / "bin/node",
                                 std::filesystem::perms::owner_all);
    Write("lib/config_loader.mjs", "loader");
    Write("lib/config_env.cjs", "watcher");
    input_.root = "/w";
    input_.scripts = {"/w/vite.config.ts", "/w/p/vite.config.js"};
    input_.env = {{"PATH", At("bin")}, {"SHLVL", "3"}, {"MODE", "x"}};
    input_.loader = At("lib/config_loader.mjs");
  }
  void Write(const std::string& path, const std::string& text) {
    const std::filesystem::path file = dir_.path() / path;
    std::filesystem::create_directories(file.parent_path());
    std::ofstream(file) << text;
  }
  std::string At(const std::string& path) const {
    return (dir_.path() / path).string();
  }
  std::string Weak() const {
    return MakeConfigStep(input_)->description.SerializeAsString();
  }
  absl::StatusOr<workspace::EvaluatedConfigs> Read(
      const std::string& answer, const ConfigProcessEnd& end = {}) const {
    return ReadLoaderAnswer(input_, answer, end);
  }

  test::TempDir dir_;
  ConfigStepInput input_;
};

TEST_F(ConfigStepTest, RunsTheLoaderOnceForAllFiles) {
  const auto step = MakeConfigStep(input_);
  ASSERT_THAT(step, test::IsOk());
  EXPECT_TRUE(step->cached);
  EXPECT_EQ(step->cwd, "/w");
  EXPECT_THAT(step->argv,
              AllOf(Contains(At("bin/node")), Contains("vite.config.ts"),
                    Contains("p/vite.config.js")));
  // Nothing that it writes is restored.
  EXPECT_TRUE(step->description.input().automatic());
  EXPECT_FALSE(step->description.output().automatic());
}

TEST_F(ConfigStepTest, PassesTheCallersVariablesButThoseOfTheTerminal) {
  const auto step = MakeConfigStep(input_);
  ASSERT_THAT(step, test::IsOk());
  EXPECT_THAT(step->env.Entries(), Contains("MODE=x"));
  EXPECT_THAT(step->env.Entries(), Not(Contains(StartsWith("SHLVL="))));
  EXPECT_EQ(step->tool_env.All()->at("VT_ENV_NAMES"), "MODE\nPATH\nVP_RUN\n");
}

TEST_F(ConfigStepTest, TheKeyIsFilesNodeLoaderAndNodesOwnVariables) {
  const std::string before = Weak();
  input_.env["MODE"] = "y";
  EXPECT_EQ(Weak(), before);
  input_.env["NODE_OPTIONS"] = "--no-warnings";
  EXPECT_NE(Weak(), before);
  input_.env.erase("NODE_OPTIONS");
  EXPECT_EQ(Weak(), before);
  for (const char* name : {"HOME", "LC_ALL", "NODE_PATH", "TMPDIR", "TZ"}) {
    input_.env[name] = "z";
    EXPECT_NE(Weak(), before) << name;
    input_.env.erase(name);
  }
  Write("lib/config_env.cjs", "another");
  EXPECT_NE(Weak(), before);
  Write("lib/config_env.cjs", "watcher");
  EXPECT_EQ(Weak(), before);
  input_.scripts.pop_back();
  EXPECT_NE(Weak(), before);
  input_.scripts.push_back("/w/p/vite.config.js");
  std::filesystem::copy(dir_.path() / "bin", dir_.path() / "bin2");
  input_.env["PATH"] = At("bin2");
  EXPECT_NE(Weak(), before);
}

TEST_F(ConfigStepTest, TheKeyIsTheSameInEveryClone) {
  const std::string before = Weak();
  input_.root = "/clone";
  input_.scripts = {"/clone/vite.config.ts", "/clone/p/vite.config.js"};
  EXPECT_EQ(Weak(), before);
}

TEST_F(ConfigStepTest, WithoutNodeTheErrorNamesFileAndRemedy) {
  for (const std::string& path : {std::string(""), At("lib")}) {
    input_.env["PATH"] = path;
    EXPECT_THAT(MakeConfigStep(input_),
                test::StatusIs(absl::StatusCode::kInvalidArgument,
                               AllOf(HasSubstr("/w/vite.config.ts"),
                                     HasSubstr("vite-task.json"))));
  }
}

TEST_F(ConfigStepTest, ReadsWhatEachFileGave) {
  const auto configs = Read(
      "{\"begin\":\"vite.config.ts\"}\n{\"end\":true}\n"
      "{\"begin\":\"p/vite.config.js\"}\n"
      "{\"end\":true,\"run\":{\"tasks\":{\"t\":\"x\"}}}\n{\"done\":true}\n");
  ASSERT_THAT(configs, test::IsOk());
  EXPECT_FALSE(configs->at("/w/vite.config.ts").has_value());
  const base::Json& run = *configs->at("/w/p/vite.config.js");
  EXPECT_EQ(run.Find("tasks")->Find("t")->text, "x");
  // A place in the answer is no place in the file.
  EXPECT_EQ(run.line, 0);
  EXPECT_EQ(run.members[0].value.members[0].line, 0);
}

TEST_F(ConfigStepTest, EveryFailureNamesTheFileThatWasUnderWay) {
  const std::string begun =
      "{\"begin\":\"vite.config.ts\"}\n{\"end\":true}\n"
      "{\"begin\":\"p/vite.config.js\"}\n";
  const auto refused = [](const std::string& what) {
    return test::StatusIs(
        absl::StatusCode::kInvalidArgument,
        HasSubstr(absl::StrCat("/w/p/vite.config.js: ", what)));
  };
  ConfigProcessEnd end;
  end.failed = true;
  end.exit_code = 1;
  EXPECT_THAT(Read(begun + "{\"error\":\"boom\"}\n", end), refused("boom"));
  EXPECT_THAT(Read(begun, end), refused("its evaluation ended the process"));
  // Also when it ends it as if all were well, or in the middle of a line.
  EXPECT_THAT(Read(begun), refused("its evaluation ended the process"));
  EXPECT_THAT(Read(begun + "{\"end\":tr"),
              refused("its evaluation ended the process"));
  end.timed_out = true;
  end.deadline = absl::Seconds(60);
  EXPECT_THAT(Read(begun, end),
              refused("its evaluation did not end within 1m"));
}

TEST_F(ConfigStepTest, AProcessThatCouldNotStartIsToldWithItsReason) {
  ConfigProcessEnd end;
  end.failed = true;
  end.error = "execve: Permission denied";
  EXPECT_THAT(Read("", end),
              test::StatusIs(absl::StatusCode::kInvalidArgument,
                             AllOf(HasSubstr("/w/vite.config.ts"),
                                   HasSubstr("Permission denied"))));
}

TEST_F(ConfigStepTest, AnAnswerThatMustNotBeKeptIsAnAnswer) {
  ConfigProcessEnd end;
  end.failed = true;
  end.exit_code = kConfigNotReusable;
  EXPECT_THAT(Read("{\"begin\":\"vite.config.ts\"}\n{\"end\":true}\n"
                   "{\"done\":true}\n",
                   end),
              test::IsOk());
}

}  // namespace
}  // namespace vt::run
