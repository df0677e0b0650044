// SPDX-License-Identifier: Apache-2.0

#include "daemon/workspace/workspace.h"

#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "daemon/base/json.h"
#include "daemon/workspace/sources.h"
#include "tests/support/status_matchers.h"
#include "tests/support/temp_dir.h"

namespace vt::workspace {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

class WorkspaceTest : public testing::Test {
 protected:
  void Write(const std::string& path, const std::string& text) {
    const std::filesystem::path file = root() / path;
    std::filesystem::create_directories(file.parent_path());
    std::ofstream(file) << text;
  }
  std::filesystem::path root() const {
    return std::filesystem::canonical(dir_.path());
  }
  absl::StatusOr<std::shared_ptr<const Workspace>> LoadAt(
      const std::string& path = "") const {
    return Load((root() / path).string());
  }
  // Paths of all packages, the root as ".".
  std::vector<std::string> Paths(const std::string& path = "") const {
    const auto workspace = LoadAt(path);
    if (!workspace.ok()) {
      return {std::string(workspace.status().message())};
    }
    std::vector<std::string> out;
    for (const Package& package : (*workspace)->packages) {
      out.push_back(package.path.empty() ? "." : package.path);
    }
    return out;
  }
  // "from>to(rule)" of every edge, by name.
  std::vector<std::string> Edges() const {
    const auto workspace = LoadAt();
    if (!workspace.ok()) {
      return {std::string(workspace.status().message())};
    }
    std::vector<std::string> out;
    for (const Package& package : (*workspace)->packages) {
      for (const DependencyEdge& edge : package.dependencies) {
        out.push_back(absl::StrCat(
            package.name, ">",
            (*workspace)->packages[static_cast<size_t>(edge.package)].name, "(",
            edge.field, ",", edge.rule, ")"));
      }
    }
    return out;
  }

 private:
  test::TempDir dir_;
};

TEST_F(WorkspaceTest, WithoutAnyManifestThereIsNoPackage) {
  EXPECT_THAT(LoadAt(), test::StatusIs(absl::StatusCode::kNotFound,
                                       HasSubstr("Package not found")));
}

TEST_F(WorkspaceTest, ALonePackageIsItsOwnRoot) {
  Write("package.json", R"({"name": "one", "scripts": {"t": "echo t"}})");
  Write("sub/package.json", R"({"name": "two"})");
  Write("src/deep/x", "");
  EXPECT_THAT(Paths(), ElementsAre("."));
  EXPECT_THAT(Paths("src/deep"), ElementsAre("."));
  const auto below = LoadAt("sub");
  ASSERT_THAT(below, test::IsOk());
  EXPECT_EQ((*below)->root, (root() / "sub").string());
  const auto deep = LoadAt("src/deep");
  ASSERT_THAT(deep, test::IsOk());
  EXPECT_EQ((*deep)->root, root().string());
  const Task& script = (*deep)->packages[0].tasks.at("t");
  EXPECT_TRUE(script.is_script);
  EXPECT_EQ(script.cwd, root().string());
}

TEST_F(WorkspaceTest, PnpmPatternsChooseMembersAndTheLastOneWins) {
  Write("pnpm-workspace.yaml",
        "# members\r\npackages:\r\n  - ./packages/*/\r\n  - '!packages/x'\r\n"
        "  - tools/**\r\n  - '!!other'\r\n");
  for (const char* path :
       {"packages/a", "packages/x", "packages/a/inner", "tools", "tools/t/u",
        "other", "more", "tools/node_modules/n"}) {
    Write(absl::StrCat(path, "/package.json"), "{}");
  }
  Write("packages/none/file", "");
  EXPECT_THAT(Paths(),
              ElementsAre(".", "other", "packages/a", "tools", "tools/t/u"));
  EXPECT_THAT(Paths("packages/none"),
              ElementsAre(".", "other", "packages/a", "tools", "tools/t/u"));
  // No members: their own roots.
  EXPECT_THAT(Paths("more"), ElementsAre("."));
  EXPECT_THAT(Paths("packages/a/inner"), ElementsAre("."));
  EXPECT_THAT(Paths("tools/node_modules/n"), ElementsAre("."));
  Write("pnpm-workspace.yaml", "packages: ['!packages/x', 'packages/*']\n");
  EXPECT_THAT(Paths(), ElementsAre(".", "packages/a", "packages/x"));
  Write("pnpm-workspace.yaml", "onlyBuiltDependencies: [x]\n");
  EXPECT_THAT(Paths(), ElementsAre("."));
  Write("pnpm-workspace.yaml", "");
  EXPECT_THAT(Paths(), ElementsAre("."));
}

TEST_F(WorkspaceTest, NpmYarnAndBunPatternsComeAsAnArrayOrAnObject) {
  Write("packages/a/package.json", "{}");
  Write("packages/b/package.json", "{}");
  Write("package.json", R"({"workspaces": ["packages/*"]})");
  EXPECT_THAT(Paths(), ElementsAre(".", "packages/a", "packages/b"));
  Write("package.json", R"({"workspaces": {"packages": ["packages/b"]}})");
  EXPECT_THAT(Paths(), ElementsAre(".", "packages/b"));
  EXPECT_THAT(Paths("packages/b"), ElementsAre(".", "packages/b"));
}

TEST_F(WorkspaceTest, AWorkspaceInsideAWorkspaceWins) {
  Write("package.json", R"({"workspaces": ["**"]})");
  Write("inner/package.json", R"({"workspaces": ["p"]})");
  Write("inner/p/package.json", "{}");
  const auto workspace = LoadAt("inner/p");
  ASSERT_THAT(workspace, test::IsOk());
  EXPECT_EQ((*workspace)->root, (root() / "inner").string());
}

TEST_F(WorkspaceTest, TheRootIsPhysicalAndTheInnermostPackageIsCurrent) {
  Write("ws/package.json", R"({"workspaces": ["p/**"]})");
  Write("ws/p/a/package.json", R"({"name": "a"})");
  Write("ws/p/a/inner/package.json", R"({"name": "i"})");
  Write("ws/p/a/inner/src/x", "");
  std::filesystem::create_directory_symlink(root() / "ws", root() / "link");
  const auto workspace = LoadAt("link/p/a");
  ASSERT_THAT(workspace, test::IsOk());
  const std::string ws = (root() / "ws").string();
  EXPECT_EQ((*workspace)->root, ws);
  EXPECT_EQ((*workspace)->PackageOf(ws + "/p/a/inner/src"), 2);
  EXPECT_EQ((*workspace)->PackageOf(ws + "/p/a/innermost"), 1);
  EXPECT_EQ((*workspace)->PackageOf(ws + "/p"), 0);
  EXPECT_EQ((*workspace)->Label(1, "t"), "a#t");
  EXPECT_EQ((*workspace)->Label(0, "t"), "t");
}

TEST_F(WorkspaceTest, TheRootNeedsNoManifest) {
  Write("pnpm-workspace.yaml", "packages: [a]\n");
  Write("a/package.json", R"({"name": "a"})");
  Write("vite-task.json", R"({"tasks": {"t": "x"}})");
  const auto workspace = LoadAt();
  ASSERT_THAT(workspace, test::IsOk());
  EXPECT_EQ((*workspace)->packages[0].name, "");
  EXPECT_EQ((*workspace)->packages[0].tasks.count("t"), 1U);
}

TEST_F(WorkspaceTest, OnlySomeDependenciesMakeEdges) {
  Write("package.json", R"({"name": "root", "workspaces": ["p/*"]})");
  Write("p/a/package.json",
        R"({"name": "a", "version": "1.2.3", "dependencies": {
          "a": "workspace:*", "b": "workspace:^", "x": "workspace:c@*",
          "d": "^1.0.0", "e": "^3", "external": "*"},
          "devDependencies": {"e": "file:../e", "f": "catalog:"},
          "peerDependencies": {"b": "*"},
          "optionalDependencies": {"g": ">=2 || 1.x"}})");
  Write("p/b/package.json", R"({"name": "b"})");
  Write("p/c/package.json", R"({"name": "c"})");
  Write("p/d/package.json", R"({"name": "d", "version": "1.9.0"})");
  Write("p/e/package.json", R"({"name": "e", "version": "2.0.0"})");
  Write("p/f/package.json", R"({"name": "f"})");
  Write("p/g/package.json", R"({"name": "g", "version": "1.0.0"})");
  EXPECT_THAT(
      Edges(),
      ElementsAre("a>b(dependencies,workspace:)",
                  "a>c(dependencies,workspace:)", "a>d(dependencies,range)",
                  "a>e(devDependencies,file:)", "a>f(devDependencies,catalog:)",
                  "a>b(peerDependencies,range)",
                  "a>g(optionalDependencies,range)"));
  Write("vite-task.json", R"({"dependencyEdges": "workspace-protocol"})");
  EXPECT_THAT(Edges(), ElementsAre("a>b(dependencies,workspace:)",
                                   "a>c(dependencies,workspace:)"));
}

TEST_F(WorkspaceTest, AnAliasMayNameAPackageOfAScope) {
  Write("package.json", R"({"name": "root", "workspaces": ["p/*"]})");
  Write("p/a/package.json", R"({"name": "a", "dependencies": {
      "x": "workspace:@my/b@^1", "y": "workspace:c@*"}})");
  Write("p/b/package.json", R"({"name": "@my/b"})");
  Write("p/c/package.json", R"({"name": "c"})");
  EXPECT_THAT(Edges(), ElementsAre("a>@my/b(dependencies,workspace:)",
                                   "a>c(dependencies,workspace:)"));
}

TEST_F(WorkspaceTest, TwoPackagesOfOneNameMayNotBeDependedOn) {
  Write("package.json", R"({"workspaces": ["p/*"]})");
  Write("p/x/package.json", R"({"name": "dup"})");
  Write("p/y/package.json", R"({"name": "dup"})");
  EXPECT_THAT(LoadAt(), test::IsOk());
  Write("p/z/package.json", R"({"dependencies": {"dup": "workspace:*"}})");
  EXPECT_THAT(LoadAt(),
              test::StatusIs(absl::StatusCode::kInvalidArgument,
                             AllOf(HasSubstr("Duplicate package name `dup`"),
                                   HasSubstr("`p/x` and `p/y`"))));
}

TEST_F(WorkspaceTest, AManifestThatDoesNotParseIsNamedWithItsPlace) {
  Write("package.json", R"({"workspaces": ["p"]})");
  Write("p/package.json", "{\n  oops\n}");
  EXPECT_THAT(LoadAt(), test::StatusIs(absl::StatusCode::kInvalidArgument,
                                       HasSubstr("p/package.json:2:3: ")));
  Write("p/package.json", "{}");
  Write("package.json", R"({"workspaces": [7]})");
  EXPECT_THAT(LoadAt(), test::StatusIs(absl::StatusCode::kInvalidArgument,
                                       HasSubstr("package.json:1:17: ")));
  Write("package.json", "{}");
  Write("pnpm-workspace.yaml", "packages:\n  - [x\n");
  EXPECT_THAT(LoadAt(), test::StatusIs(absl::StatusCode::kInvalidArgument,
                                       HasSubstr("pnpm-workspace.yaml:")));
  Write("pnpm-workspace.yaml", "packages:\n  - 'a/{b'\n");
  EXPECT_THAT(LoadAt(), test::StatusIs(absl::StatusCode::kInvalidArgument,
                                       HasSubstr("pnpm-workspace.yaml:2:5: ")));
}

TEST_F(WorkspaceTest, PlugAndPlayIsAnErrorWithItsRemedy) {
  Write("package.json", "{}");
  Write(".pnp.cjs", "");
  EXPECT_THAT(LoadAt(), test::StatusIs(absl::StatusCode::kInvalidArgument,
                                       HasSubstr("nodeLinker")));
}

TEST_F(WorkspaceTest, ATaskMayNotHaveTheNameOfAScript) {
  Write("package.json", R"({"name": "root", "scripts": {"build": "x"}})");
  Write("vite-task.json", "{\n  \"tasks\": {\"build\": \"y\"}}");
  EXPECT_THAT(
      LoadAt(),
      test::StatusIs(
          absl::StatusCode::kInvalidArgument,
          AllOf(HasSubstr("vite-task.json:2:13: "),
                HasSubstr("Task root#build conflicts with a package.json"))));
}

TEST_F(WorkspaceTest, OnlyTheRootMaySetWhatHoldsForAll) {
  Write("package.json", R"({"workspaces": ["a"]})");
  Write("a/package.json", "{}");
  for (const char* key : {R"("cache": true)", R"("enablePrePostScripts": true)",
                          R"("dependencyEdges": "all")"}) {
    Write("a/vite-task.json", absl::StrCat("{", key, "}"));
    EXPECT_THAT(LoadAt(),
                test::StatusIs(absl::StatusCode::kInvalidArgument,
                               AllOf(HasSubstr("a/vite-task.json:1:2: "),
                                     HasSubstr("workspace root"))));
  }
}

// What evaluating the script turned out to give.
EvaluatedConfigs Evaluated(const std::string& file, const char* run) {
  EvaluatedConfigs configs;
  std::optional<base::Json>& config = configs[file];
  if (run != nullptr) {
    config = *base::ParseJson(run, base::JsonDialect::kStrict, file);
    config->line = config->column = 0;
  }
  return configs;
}

TEST_F(WorkspaceTest, ScriptsThatMayHaveARunAreNamedAndTheFirstHidesOthers) {
  Write("package.json", R"({"workspaces": ["a", "b", "c"]})");
  Write("a/package.json", R"({"name": "a"})");
  Write("a/vite.config.ts", "export default { run: { tasks: {} } }\n");
  Write("a/vite.config.mts", "export default {}\n");
  Write("b/package.json", "{}");
  Write("b/vite.config.mjs", "import a from 'a'; export default a\n");
  Write("c/package.json", "{}");
  Write("c/vite.config.js", "export default { plugins: [] }\n");
  Write("c/vite.config.mjs", "export default { run: {} }\n");
  const auto sources = Scan(root().string());
  ASSERT_THAT(sources, test::IsOk());
  EXPECT_THAT(sources->Scripts(),
              ElementsAre((root() / "a/vite.config.ts").string(),
                          (root() / "b/vite.config.mjs").string()));
  // Never silence.
  EXPECT_THAT(LoadAt(), test::StatusIs(absl::StatusCode::kFailedPrecondition,
                                       HasSubstr("a/vite.config.ts")));
}

TEST_F(WorkspaceTest, AnEvaluatedRunIsAConfigurationLikeAnyOther) {
  Write("package.json", R"({"name": "r"})");
  Write("vite.config.mjs", "export default { run: {} }\n");
  const std::string file = (root() / "vite.config.mjs").string();
  const auto assemble = [&](const char* run) {
    return Assemble(*Scan(root().string()), Evaluated(file, run));
  };
  const auto workspace =
      assemble(R"({"cache": false, "tasks": {"t": "echo x"}})");
  ASSERT_THAT(workspace, test::IsOk());
  EXPECT_FALSE((*workspace)->cache_tasks);
  EXPECT_THAT((*workspace)->packages[0].tasks.at("t").commands,
              ElementsAre("echo x"));
  EXPECT_THAT(assemble(nullptr), test::IsOk());
  // Errors name the file and the key as it stands there; no position.
  EXPECT_THAT(
      assemble(R"([])"),
      test::StatusIs(absl::StatusCode::kInvalidArgument,
                     HasSubstr(absl::StrCat(file, ": `run`: found an array"))));
}

TEST_F(WorkspaceTest, ErrorsInAnEvaluatedRunNameTheWholeKeyPath) {
  Write("package.json", R"({"name": "r"})");
  Write("vite.config.mjs", "export default { run: {} }\n");
  const std::string file = (root() / "vite.config.mjs").string();
  for (const auto& [run, what] :
       std::vector<std::pair<const char*, std::string>>{
           {R"({"tasks": {"t": 7}})", "`run.tasks.t`: found number 7"},
           {R"({"task": {}})", "unknown key `run.task`"},
           {R"({"tasks": {"a-b": {"commnd": "x"}}})",
            "unknown key `run.tasks[\"a-b\"].commnd`"},
           {R"({"tasks": {"t": {"command": "x", "env": [], "cache": {}}}})",
            "`run.tasks.t`: `env` must move into `run.tasks.t.cache`"}}) {
    EvaluatedConfigs configs = Evaluated(file, run);
    const auto forget = [](auto&& self, base::Json* json) -> void {
      json->line = 0;
      for (base::JsonMember& member : json->members) {
        member.line = 0;
        self(self, &member.value);
      }
    };
    forget(forget, &*configs[file]);
    EXPECT_THAT(Assemble(*Scan(root().string()), configs),
                test::StatusIs(absl::StatusCode::kInvalidArgument,
                               HasSubstr(absl::StrCat(file, ": ", what))));
  }
}

TEST_F(WorkspaceTest, TwoConfigurationsOfOnePackageAreAnErrorThatNamesBoth) {
  Write("package.json", "{}");
  Write("vite.config.mjs", "export default { run: {} }\n");
  Write("vite-task.json", "{}");
  const std::string file = (root() / "vite.config.mjs").string();
  EXPECT_THAT(Assemble(*Scan(root().string()), Evaluated(file, "{}")),
              test::StatusIs(absl::StatusCode::kInvalidArgument,
                             AllOf(HasSubstr("vite.config.mjs"),
                                   HasSubstr("vite-task.json"))));
  // Only a `run` makes it one.
  EXPECT_THAT(Assemble(*Scan(root().string()), Evaluated(file, nullptr)),
              test::IsOk());
}

TEST_F(WorkspaceTest, DependsOnThatNamesNothingIsToldWithItsPlace) {
  Write("package.json", R"({"name": "root", "workspaces": ["p/*"]})");
  Write("p/a/package.json", R"({"name": "a", "scripts": {"s": "x"}})");
  Write("p/b/package.json", R"({"name": "dup"})");
  Write("p/c/package.json", R"({"name": "dup"})");
  Write("vite-task.json", R"({"tasks": {"t": {"command": "x", "dependsOn": [
    "nope", "aa#s", "a#ss", "dup#x", "a#s", "t",
    {"task": "nope", "from": "dependencies"}]}}})");
  const auto workspace = LoadAt();
  ASSERT_THAT(workspace, test::IsOk());
  EXPECT_THAT(
      (*workspace)->dependency_errors,
      ElementsAre(AllOf(HasSubstr("vite-task.json:2:5: "),
                        HasSubstr("dependency 'nope' for task root#t"),
                        HasSubstr("Task 'nope' not found in package root")),
                  AllOf(HasSubstr("Package 'aa' not found"), HasSubstr("`a`")),
                  AllOf(HasSubstr("Task 'ss' not found in package a"),
                        HasSubstr("`s`")),
                  HasSubstr("'dup' is ambiguous")));
}

TEST_F(WorkspaceTest, RootSettingsHaveTheirDefaults) {
  struct Row {
    const char* config;
    bool scripts;
    bool tasks;
  };
  Write("package.json", "{}");
  for (const Row& row :
       {Row{"{}", false, true}, Row{R"({"cache": true})", true, true},
        Row{R"({"cache": false})", false, false},
        Row{R"({"cache": {}})", false, true},
        Row{R"({"cache": {"scripts": true}})", true, true},
        Row{R"({"cache": {"tasks": false}})", false, false}}) {
    Write("vite-task.json", row.config);
    const auto workspace = LoadAt();
    ASSERT_THAT(workspace, test::IsOk()) << row.config;
    EXPECT_EQ((*workspace)->cache_scripts, row.scripts) << row.config;
    EXPECT_EQ((*workspace)->cache_tasks, row.tasks) << row.config;
  }
}

TEST_F(WorkspaceTest, MembersThatAreNoPackagesAreNotPackages) {
  Write("package.json", R"({"workspaces": ["p/*", "missing", "."]})");
  std::filesystem::create_directories(root() / "p/empty");
  EXPECT_THAT(Paths(), ElementsAre("."));
  EXPECT_THAT(Edges(), IsEmpty());
}

}  // namespace
}  // namespace vt::workspace
