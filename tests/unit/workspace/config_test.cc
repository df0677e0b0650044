// SPDX-License-Identifier: Apache-2.0

#include "daemon/workspace/config.h"

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/status_matchers.h"

namespace vt::workspace {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

absl::StatusOr<Config> Read(const std::string& text,
                            const std::string& package = "") {
  const auto json =
      base::ParseJson(text, base::JsonDialect::kRelaxed, "/w/vite-task.json");
  if (!json.ok()) {
    return json.status();
  }
  return ReadConfig(*json, {"/w/vite-task.json", "/w", package});
}

// The only task of a configuration, called `t`.
absl::StatusOr<Task> ReadTask(const std::string& task,
                              const std::string& package = "") {
  absl::StatusOr<Config> config =
      Read(absl::StrCat("{\"tasks\": {\"t\": ", task, "}}"), package);
  if (!config.ok()) {
    return config.status();
  }
  return config->tasks.at(0);
}

TEST(ConfigTest, ATaskIsAStringAnArrayOrAnObject) {
  const auto text = ReadTask(R"("a b")");
  ASSERT_THAT(text, test::IsOk());
  EXPECT_THAT(text->commands, ElementsAre("a b"));
  EXPECT_FALSE(text->is_array);
  EXPECT_TRUE(text->cache.enabled);
  EXPECT_TRUE(text->cache.input.automatic);
  const auto array = ReadTask(R"(["a", "b"])");
  ASSERT_THAT(array, test::IsOk());
  EXPECT_THAT(array->commands, ElementsAre("a", "b"));
  EXPECT_TRUE(array->is_array);
  const auto empty = ReadTask("[]");
  ASSERT_THAT(empty, test::IsOk());
  EXPECT_THAT(empty->commands, IsEmpty());
  const auto object = ReadTask(
      R"({"command": ["a"], "cwd": "../b/./c", "cache": false})", "p/a");
  ASSERT_THAT(object, test::IsOk());
  EXPECT_THAT(object->commands, ElementsAre("a"));
  EXPECT_EQ(object->cwd, "/w/p/b/c");
  EXPECT_FALSE(object->cache.enabled);
  EXPECT_EQ(object->position.line, 1);
  EXPECT_EQ(object->position.column, 12);
}

TEST(ConfigTest, CacheSettingsMayStandInCacheOrBesideIt) {
  for (const char* text :
       {R"({"command": "x", "cache": {"env": ["A", "!B*"], "untrackedEnv":
            ["C"], "input": ["src/**", {"auto": true}], "output": ["!x"]}})",
        R"({"command": "x", "cache": true, "env": ["A", "!B*"], "untrackedEnv":
            ["C"], "input": ["src/**", {"auto": true}], "output": ["!x"]})"}) {
    const auto task = ReadTask(text);
    ASSERT_THAT(task, test::IsOk());
    EXPECT_THAT(task->cache.env, ElementsAre("A", "!B*"));
    EXPECT_THAT(task->cache.untracked_env, ElementsAre("C"));
    EXPECT_TRUE(task->cache.input.automatic);
    ASSERT_EQ(task->cache.input.globs.size(), 1U);
    EXPECT_EQ(task->cache.input.globs[0].pattern, "src/**");
    EXPECT_FALSE(task->cache.output.automatic);
    ASSERT_EQ(task->cache.output.globs.size(), 1U);
    EXPECT_TRUE(task->cache.output.globs[0].negative);
  }
}

TEST(ConfigTest, OurOwnCacheKeysAreUnderstood) {
  const auto task = ReadTask(
      R"({"command": "x", "cache": {"track": false, "toolOptOut": "ignore",
          "share": "root", "services": ["/run/*"], "remote": true}})");
  ASSERT_THAT(task, test::IsOk());
  EXPECT_FALSE(task->cache.track);
  EXPECT_FALSE(task->cache.honor_tool_opt_out);
  EXPECT_TRUE(task->cache.share_root_only);
  EXPECT_THAT(task->cache.services, ElementsAre("/run/*"));
}

TEST(ConfigTest, AListWithoutAutoTrueSwitchesItOff) {
  for (const auto& [text, automatic] :
       std::vector<std::pair<const char*, bool>>{
           {"[]", false},
           {R"(["a"])", false},
           {R"([{"auto": false}])", false},
           {R"([{"auto": true}, {"auto": false}])", true}}) {
    const auto task = ReadTask(
        absl::StrCat(R"({"command": "x", "cache": {"input": )", text, "}}"));
    ASSERT_THAT(task, test::IsOk()) << text;
    EXPECT_EQ(task->cache.input.automatic, automatic) << text;
  }
}

TEST(ConfigTest, DependsOnHasThreeForms) {
  const auto task = ReadTask(R"({"command": "x", "dependsOn": ["a", "p#b#c",
    {"task": "d", "from": "dependencies"},
    {"task": "e", "from": ["devDependencies", "peerDependencies"]}]})");
  ASSERT_THAT(task, test::IsOk());
  ASSERT_EQ(task->depends_on.size(), 4U);
  EXPECT_FALSE(task->depends_on[0].package.has_value());
  EXPECT_EQ(task->depends_on[1].package, "p#b");
  EXPECT_EQ(task->depends_on[1].task, "c");
  EXPECT_EQ(task->depends_on[2].position.line, 2);
  EXPECT_THAT(task->depends_on[2].from, ElementsAre("dependencies"));
  EXPECT_THAT(task->depends_on[3].from,
              ElementsAre("devDependencies", "peerDependencies"));
}

TEST(RootRelativeGlobTest, GlobsAreRelativeToThePackage) {
  struct Row {
    const char* package;
    const char* pattern;
    const char* result;
  };
  for (const Row& row :
       {Row{"", "src/**", "src/**"}, Row{"p/a", "src/**", "p/a/src/**"},
        Row{"p/a", "../../shared/*.txt", "shared/*.txt"},
        Row{"p/a", "./x", "p/a/x"}, Row{"p/a", "x/", "p/a/x/**"},
        Row{"p/[a]", "*", "p/\\[a\\]/*"}, Row{"p/a", "x/../y", "p/a/y"}}) {
    const auto result = RootRelativeGlob(row.package, row.pattern);
    ASSERT_THAT(result, test::IsOk()) << row.pattern;
    EXPECT_EQ(*result, row.result);
  }
  EXPECT_THAT(RootRelativeGlob("a", "../../x"),
              test::StatusIs(absl::StatusCode::kInvalidArgument,
                             HasSubstr("outside the workspace root")));
  EXPECT_THAT(
      RootRelativeGlob("a", "a/{b"),
      test::StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("'a/{b'")));
}

struct ErrorRow {
  const char* text;  // of a task `t`, or of the whole file
  std::vector<const char*> parts;
};

TEST(ConfigErrorTest, NamesPlaceKeyPathFoundAllowedAndNearest) {
  const ErrorRow rows[] = {
      {"{\n \"task\": {}}",
       {"/w/vite-task.json:2:2: ", "unknown key `task`", "`tasks`",
        "did you mean `tasks`?"}},
      {"[]", {":1:1: ", "found an array", "an object"}},
      {R"({"cache": "yes"})", {":1:11: ", "`cache`", "string \"yes\""}},
      {R"({"cache": {"script": true}})",
       {"unknown key `cache.script`", "did you mean `scripts`?"}},
      {R"({"cache": {"tasks": 1}})", {"`cache.tasks`", "number 1"}},
      {R"({"enablePrePostScripts": 0})", {"`enablePrePostScripts`"}},
      {R"({"dependencyEdges": "al"})", {"`all`", "did you mean `all`?"}},
      {R"({"tasks": []})", {":1:11: ", "`tasks`", "an array", "an object"}},
      {R"({"tasks": {"t": 7}})",
       {":1:17: ", "`tasks.t`", "number 7", "a command string"}},
      {R"({"tasks": {"a b": null}})", {"`tasks[\"a b\"]`", "null"}},
      {R"({"tasks": {"t": {}}})", {"`tasks.t`", "missing key `command`"}},
      {R"({"tasks": {"t": {"command": 5}}})",
       {":1:29: ", "`tasks.t.command`", "number 5"}},
      {R"({"tasks": {"t": ["a", 5]}})", {"`tasks.t[1]`", "number 5"}},
      {"{\"tasks\": {\"t\": {\"command\": \"x\",\n  \"cach\": false}}}",
       {":2:3: ", "unknown key `tasks.t.cach`", "did you mean `cache`?"}},
      {R"({"tasks": {"t": {"command": "x", "cwd": true}}})",
       {"`tasks.t.cwd`", "`true`", "a string"}},
      {R"({"tasks": {"t": {"command": "x", "cache": "no"}}})",
       {"`tasks.t.cache`", "string \"no\""}},
      {R"({"tasks": {"t": {"command": "x", "cache": {"inputs": []}}}})",
       {"unknown key `tasks.t.cache.inputs`", "`input`",
        "did you mean `input`?"}},
      {R"({"tasks": {"t": {"command": "x", "cache": {"env": "FOO"}}}})",
       {"`tasks.t.cache.env`", "string \"FOO\"", "an array of strings"}},
      {R"({"tasks": {"t": {"command": "x", "cache": {"env": ["A["]}}}})",
       {"`tasks.t.cache.env[0]`", "'A['"}},
      {R"({"tasks": {"t": {"command": "x", "cache": {"input": "a"}}}})",
       {"`tasks.t.cache.input`", "an array"}},
      {R"({"tasks": {"t": {"command": "x", "cache": {"input": [3]}}}})",
       {"`tasks.t.cache.input[0]`", "number 3", "`{auto: boolean}`"}},
      {R"({"tasks": {"t": {"command": "x", "cache": {"input": [
            {"pattern": "a"}]}}}})",
       {":2:13: ", "missing key `base`"}},
      {R"({"tasks": {"t": {"command": "x", "cache": {"input": [
            {"pattern": "a", "base": "root"}]}}}})",
       {"`tasks.t.cache.input[0].base`", "`workspace`, `package`"}},
      {R"({"tasks": {"t": {"command": "x", "cache": {"input": [
            {"auto": true, "x": 1}]}}}})",
       {"unknown key `tasks.t.cache.input[0].x`"}},
      {R"({"tasks": {"t": {"command": "x", "cache": {"output": ["../x"]}}}})",
       {"`tasks.t.cache.output[0]`", "outside the workspace root"}},
      {R"({"tasks": {"t": {"command": "x", "cache": {"share": "rot"}}}})",
       {"`auto`, `root`", "did you mean `root`?"}},
      {R"({"tasks": {"t": {"command": "x", "cache": false, "env": []}}})",
       {"`tasks.t`", "`env`", "`cache: false`"}},
      {R"({"tasks": {"t": {"command": "x", "cache": {}, "output": [],
            "env": []}}})",
       {"`env`, `output` must move into `tasks.t.cache`"}},
      {R"({"tasks": {"t": {"command": "x", "dependsOn": "a"}}})",
       {"`tasks.t.dependsOn`", "string \"a\"", "an array"}},
      {R"({"tasks": {"t": {"command": "x", "dependsOn": [{"task": "a"}]}}})",
       {"`tasks.t.dependsOn[0]`", "missing key `from`"}},
      {R"({"tasks": {"t": {"command": "x", "dependsOn": [
            {"task": "a", "from": "optionalDependencies"}]}}})",
       {"`tasks.t.dependsOn[0].from`", "`peerDependencies`"}},
      {R"({"tasks": {"t": {"command": "x", "dependsOn": [
            {"task": "a", "from": []}]}}})",
       {"an empty array"}},
  };
  for (const ErrorRow& row : rows) {
    const auto config = Read(row.text);
    ASSERT_EQ(config.status().code(), absl::StatusCode::kInvalidArgument)
        << row.text;
    for (const char* part : row.parts) {
      EXPECT_THAT(std::string(config.status().message()), HasSubstr(part))
          << row.text;
    }
  }
}

}  // namespace
}  // namespace vt::workspace
