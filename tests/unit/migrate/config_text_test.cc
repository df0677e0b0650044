// SPDX-License-Identifier: Apache-2.0

#include "daemon/migrate/config_text.h"

#include <gmock/gmock.h>

#include "daemon/base/json.h"
#include "daemon/workspace/config.h"

namespace vt::migrate {
namespace {

TEST(ConfigTextTest, WritesWhatIsSetAndNothingElse) {
  NewConfig config;
  config.notes = {"on top"};
  NewTask build;
  build.name = "build";
  build.notes = {"first\nsecond"};
  build.commands = {"echo \"a\"", "b"};
  build.cwd = "src";
  build.depends_on = {{"gen", false}, {"build", true}};
  build.env = {"A"};
  build.untracked_env = {"B"};
  build.not_input = {{"x/**", false}, {"y", true}};
  build.not_output = {{"z", false}};
  NewTask off;
  off.name = "off";
  off.commands = {"c"};
  off.cached = false;
  NewTask plain;
  plain.name = "plain";
  plain.commands = {"d"};
  config.tasks = {build, off, plain};
  const std::string text = ConfigText(config, "turbo.json", "./s.json");
  EXPECT_EQ(text, R"(// Written by `vt migrate` from turbo.json.
// on top
{
  "$schema": "./s.json",
  "tasks": {
    // first
    // second
    "build": {
      "command": ["echo \"a\"", "b"],
      "cwd": "src",
      "dependsOn": ["gen", { "task": "build", "from": ["dependencies", "devDependencies"] }],
      "cache": {
        "env": ["A"],
        "untrackedEnv": ["B"],
        "input": [{ "auto": true }, "!x/**", { "pattern": "!y", "base": "workspace" }],
        "output": [{ "auto": true }, "!z"]
      }
    },
    "off": {
      "command": "c",
      "cache": false
    },
    "plain": "d"
  }
}
)");
  // And it is a configuration.
  const auto json =
      base::ParseJson(text, base::JsonDialect::kRelaxed, "vite-task.json");
  ASSERT_TRUE(json.ok());
  const auto parsed =
      workspace::ReadConfig(*json, {"/w/vite-task.json", "/w", "", ""});
  EXPECT_TRUE(parsed.ok()) << parsed.status();
}

}  // namespace
}  // namespace vt::migrate
