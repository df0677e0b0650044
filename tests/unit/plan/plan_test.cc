// SPDX-License-Identifier: Apache-2.0

#include "daemon/plan/plan.h"

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/status_matchers.h"
#include "tests/unit/plan/plan_fixture.h"

namespace vt::plan {
namespace {

using testing::AllOf;
using testing::Contains;
using testing::ElementsAre;
using testing::EndsWith;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

TEST_F(PlanTest, ATaskBecomesItsSteps) {
  WriteRoot();
  Write("p/a/package.json", R"({"name": "a"})");
  Write("p/a/vite-task.json", R"({"tasks": {"t": {
    "command": ["X=1 cat a && echo -n 'b  c' d", "cat < e", "cd sub",
                "cat f"], "cwd": "src",
    "cache": {"env": ["X"], "input": ["*.ts"], "untrackedEnv": ["Z", "Y"]}}}})");
  const auto plan = Make({"a#t", "more args"});
  ASSERT_THAT(plan, test::IsOk());
  ASSERT_EQ(plan->tasks.size(), 1U);
  EXPECT_EQ(plan->tasks[0].label, "a#t");
  EXPECT_EQ(plan->tasks[0].package_path, "p/a");
  const std::vector<Step>& steps = plan->tasks[0].steps;
  ASSERT_EQ(steps.size(), 4U);

  EXPECT_EQ(steps[0].kind, Step::Kind::kProcess);
  EXPECT_THAT(steps[0].program, EndsWith("/cat"));
  EXPECT_THAT(steps[0].argv, ElementsAre("cat", "a"));
  EXPECT_EQ(steps[0].display_command, "X=1 cat a");
  EXPECT_EQ(steps[0].display_cwd, "~/p/a/src");
  EXPECT_EQ(steps[0].cwd, (root() / "p/a/src").string());
  EXPECT_TRUE(steps[0].cached);
  EXPECT_EQ(steps[0].tool_env.All()->at("X"), "1");
  EXPECT_THAT(steps[0].user_untracked, ElementsAre("Z", "Y"));
  EXPECT_THAT(steps[0].env.Entries(), Contains("X=1"));

  EXPECT_EQ(steps[1].kind, Step::Kind::kEcho);
  EXPECT_EQ(steps[1].echo_text, "b  c d");
  EXPECT_EQ(steps[1].cache_off_reason, "for built-in command");

  EXPECT_EQ(steps[2].kind, Step::Kind::kShell);
  EXPECT_THAT(steps[2].argv, ElementsAre("/bin/sh", "-c", "cat < e"));
  EXPECT_EQ(steps[2].tool_env.All()->count("X"), 0U);

  EXPECT_THAT(steps[3].argv, ElementsAre("cat", "f", "more args"));
  EXPECT_EQ(steps[3].display_command, "cat f 'more args'");
  EXPECT_EQ(steps[3].display_cwd, "~/p/a/src/sub");
  for (size_t i = 1; i < steps.size(); ++i) {
    EXPECT_NE(steps[i].position, steps[0].position);
  }
}

TEST_F(PlanTest, TheDescriptionHoldsAllThatCounts) {
  WriteRoot();
  WriteProgram("node_modules/.bin/tool");
  Write("vite-task.json", R"({"tasks": {
    "t": {"command": "B=2 tool x", "cache": {"env": ["A"], "untrackedEnv":
      ["Z", "Y", "Z"], "input": ["b", "!a", {"auto": true}], "output": ["o/"],
      "share": "root"}},
    "u": "cat x"}})");
  const auto plan = Make({"t"});
  ASSERT_THAT(plan, test::IsOk());
  const vtask::storage::v1::WeakDescription& d =
      plan->tasks[0].steps[0].description;
  EXPECT_EQ(d.program(), "node_modules/.bin/tool");
  EXPECT_THAT(d.args(), ElementsAre("x"));
  EXPECT_EQ(d.cwd(), "");
  ASSERT_EQ(d.env_size(), 2);
  EXPECT_EQ(d.env(0).name(), "A");
  EXPECT_FALSE(d.env(0).present());
  EXPECT_EQ(d.env(1).name(), "B");
  EXPECT_THAT(d.untracked_env(), ElementsAre("Y", "Z"));
  EXPECT_TRUE(d.input().automatic());
  ASSERT_EQ(d.input().globs_size(), 2);
  EXPECT_EQ(d.input().globs(0).pattern(), "a");
  EXPECT_TRUE(d.input().globs(0).negative());
  EXPECT_FALSE(d.output().automatic());
  EXPECT_EQ(d.output().globs(0).pattern(), "o/**");
  EXPECT_EQ(d.platform(), "linux-x86_64");
  EXPECT_TRUE(d.track());
  EXPECT_TRUE(d.honor_opt_out());
  EXPECT_EQ(d.root(), root().string());
  EXPECT_TRUE(d.toolchain_executed());
  const auto other = Make({"u"});
  ASSERT_THAT(other, test::IsOk());
  EXPECT_EQ(other->tasks[0].steps[0].description.program(), "cat");
}

TEST_F(PlanTest, TheSameCommandHasTheSameDescriptionInEveryForm) {
  WriteRoot();
  Write("vite-task.json", R"({"tasks": {"a": "cat x", "b": ["cat x"],
    "c": {"command": "cat x", "cache": {}}, "d": {"command": "cat  'x'",
    "cache": true, "dependsOn": ["a"]}}})");
  std::vector<std::string> all;
  for (const char* task : {"a", "b", "c", "d"}) {
    const auto plan = Make({"--ignore-depends-on", task});
    ASSERT_THAT(plan, test::IsOk());
    all.push_back(plan->tasks[0].steps[0].description.SerializeAsString());
  }
  EXPECT_THAT(all, testing::Each(all[0]));
}

TEST_F(PlanTest, CachingFollowsTheWorkspaceTheTaskAndTheFlags) {
  WriteRoot("\"s\": \"cat x\"");
  Write("vite-task.json", R"({"tasks": {"t": "cat x",
    "off": {"command": "cat x", "cache": false},
    "out": {"command": "cat x", "cwd": "../.."}}})");
  struct Row {
    std::vector<std::string> args;
    bool cached;
    const char* reason;
  };
  for (const Row& row :
       {Row{{"t"}, true, ""}, Row{{"s"}, false, "in task configuration"},
        Row{{"--cache", "s"}, true, ""},
        Row{{"--no-cache", "t"}, false, "in task configuration"},
        Row{{"--cache", "off"}, false, "in task configuration"},
        Row{{"out"}, false, "its directory is outside the workspace"}}) {
    const auto plan = Make(row.args);
    ASSERT_THAT(plan, test::IsOk());
    EXPECT_EQ(plan->tasks[0].steps[0].cached, row.cached) << row.args[0];
    EXPECT_EQ(plan->tasks[0].steps[0].cache_off_reason, row.reason);
  }
  EXPECT_THAT(Lines({"out"}), ElementsAre("~/../..$ cat x"));
}

TEST_F(PlanTest, AProgramThatIsMissingFailsUnlessAHitMayNotNeedIt) {
  WriteRoot("\"s\": \"echo a && no-such-program\"");
  Write("vite-task.json", R"({"tasks": {"t": "no-such-program x"}})");
  EXPECT_THAT(Make({"s"}),
              test::StatusIs(absl::StatusCode::kFailedPrecondition,
                             HasSubstr("executable no-such-program under")));
  const auto plan = Make({"t"});
  ASSERT_THAT(plan, test::IsOk());
  EXPECT_EQ(plan->tasks[0].steps[0].program, "");
  EXPECT_THAT(plan->tasks[0].steps[0].program_missing,
              HasSubstr("no-such-program"));
  EXPECT_EQ(plan->tasks[0].steps[0].description.program(), "no-such-program");
}

TEST_F(PlanTest, ProgramsAreFoundInBinDirectoriesAndByPath) {
  WriteRoot();
  WriteProgram("node_modules/.bin/both");
  WriteProgram("node_modules/.bin/rooted");
  WriteProgram("p/a/node_modules/.bin/both");
  WriteProgram("p/a/bin/own");
  Write("p/a/plain", "");
  Write("p/a/package.json", R"({"name": "a", "scripts": {
    "x": "both && rooted && ./bin/own && PATH=bin own", "y": "./plain",
    "z": "./bin"}})");
  const auto plan = Make({"a#x"});
  ASSERT_THAT(plan, test::IsOk());
  const std::vector<Step>& steps = plan->tasks[0].steps;
  ASSERT_EQ(steps.size(), 4U);
  EXPECT_EQ(steps[0].program, (root() / "p/a/node_modules/.bin/both").string());
  EXPECT_EQ(steps[1].program, (root() / "node_modules/.bin/rooted").string());
  EXPECT_EQ(steps[2].program, (root() / "p/a/bin/own").string());
  EXPECT_EQ(steps[3].program, (root() / "p/a/bin/own").string());
  EXPECT_FALSE(Make({"a#y"}).ok());
  EXPECT_FALSE(Make({"a#z"}).ok());
}

TEST_F(PlanTest, HooksSurroundScriptsOnly) {
  WriteRoot(R"("pret": "echo 1", "t": "echo 2", "postt": "echo 3",
               "prepret": "echo 0", "pretask": "echo no")");
  Write("vite-task.json", R"({"tasks": {"task": "echo task"}})");
  EXPECT_THAT(Lines({"t", "x"}),
              ElementsAre("$ echo 1", "$ echo 2 x", "$ echo 3"));
  EXPECT_THAT(Lines({"pret"}), ElementsAre("$ echo 0", "$ echo 1"));
  EXPECT_THAT(Lines({"task"}), ElementsAre("$ echo task"));
  const auto plan = Make({"t"});
  ASSERT_THAT(plan, test::IsOk());
  EXPECT_EQ(plan->tasks[0].steps[0].hook, "pret");
  EXPECT_EQ(plan->tasks[0].steps[1].hook, "");
  Write("vite-task.json", R"({"enablePrePostScripts": false})");
  EXPECT_THAT(Lines({"t"}), ElementsAre("$ echo 2"));
}

TEST_F(PlanTest, CdIsPlannedAndItsFaultsAreErrors) {
  WriteRoot(R"("a": "cd p && cd x/.. && cat y", "b": "cd", "c": "cd a b",
               "d": "cd && cat x", "e": "cd p | cat")");
  EXPECT_THAT(Lines({"a"}), ElementsAre("~/p$ cat y"));
  EXPECT_THAT(Lines({"b"}), IsEmpty());
  EXPECT_THAT(Make({"c"}), test::StatusIs(absl::StatusCode::kFailedPrecondition,
                                          HasSubstr("Too many args")));
  const auto plan = Make({"d"});
  ASSERT_THAT(plan, test::IsOk());
  EXPECT_EQ(plan->tasks[0].steps[0].cwd, "/home/x");
  EXPECT_THAT(Lines({"e"}), ElementsAre("$ cd p | cat"));
}

TEST_F(PlanTest, PackagesRunAfterWhatTheyDependOn) {
  WriteRoot("\"b\": \"echo\"");
  WritePackage("c", "b", "\"b\": \"echo\"");
  WritePackage("b", "a", "");
  WritePackage("a", "", "\"b\": \"echo\"");
  WritePackage("d", "", "\"b\": \"echo\"");
  EXPECT_THAT(Tasks({"-r", "b"}),
              ElementsAre("root#b", "a#b", "c#b<a#b>", "d#b"));
  // Bridged only if it is selected (R-SEL-23).
  EXPECT_THAT(Tasks({"-F", "a", "-F", "c", "b"}), ElementsAre("a#b", "c#b"));
  EXPECT_THAT(Tasks({"-t", "c#b"}), ElementsAre("a#b", "c#b<a#b>"));
  EXPECT_THAT(Tasks({"-r", "--parallel", "b"}),
              ElementsAre("root#b", "a#b", "c#b", "d#b"));
  cwd_ = "p/c";
  EXPECT_THAT(Tasks({"b"}), ElementsAre("c#b"));
  EXPECT_THAT(Tasks({"-w", "b"}), ElementsAre("root#b"));
}

TEST_F(PlanTest, FiltersSelectPackages) {
  WriteRoot("\"b\": \"echo\"");
  WritePackage("c", "b", "\"b\": \"echo\"");
  WritePackage("b", "a", "\"b\": \"echo\"");
  WritePackage("a", "", "\"b\": \"echo\"");
  Write("p/s/package.json", R"({"name": "@my/s", "scripts": {"b": "echo"}})");
  struct Row {
    std::vector<std::string> args;
    std::vector<std::string> labels;
  };
  for (const Row& row : std::vector<Row>{
           {{"-F", "a"}, {"a#b"}},
           {{"-F", "s"}, {"@my/s#b"}},
           {{"-F", "@my/*"}, {"@my/s#b"}},
           {{"-F", "*"}, {"root#b", "a#b", "b#b", "c#b", "@my/s#b"}},
           {{"-F", "b..."}, {"a#b", "b#b"}},
           {{"-F", "b^..."}, {"a#b"}},
           {{"-F", "...b"}, {"b#b", "c#b"}},
           {{"-F", "...^b"}, {"c#b"}},
           {{"-F", "...b..."}, {"a#b", "b#b", "c#b"}},
           {{"-F", "...^b^..."}, {"a#b", "c#b"}},
           {{"-F", "./p/*", "-F", "!a"}, {"b#b", "c#b", "@my/s#b"}},
           {{"-F", "./**"}, {"root#b", "a#b", "b#b", "c#b", "@my/s#b"}},
           {{"-F", "./p/a/"}, {"a#b"}},
           {{"-F", "./p/c..."}, {"c#b"}},
           {{"-F", "{p/c}..."}, {"a#b", "b#b", "c#b"}},
           {{"-F", "c{p/*}"}, {"c#b"}},
           {{"-F", "{p/{a,c}}"}, {"a#b", "c#b"}},
           {{"-F", "."}, {"root#b"}},
           {{"-F", "!b !c !s"}, {"root#b", "a#b"}},
           {{"-F", "a c"}, {"a#b", "c#b"}},
           {{"-F", "nope"}, {}},
           {{"-F", "../x/*"}, {}},
           {{"-F", "a", "-F", "!a"}, {}},
           {{"-w", "-F", "a"}, {"root#b", "a#b"}}}) {
    std::vector<std::string> args = row.args;
    args.push_back("b");
    const auto plan = Make(args);
    ASSERT_THAT(plan, test::IsOk()) << row.args[1];
    std::vector<std::string> labels;
    for (const PlannedTask& task : plan->tasks) {
      labels.push_back(task.label);
    }
    EXPECT_THAT(labels, testing::UnorderedElementsAreArray(row.labels))
        << absl::StrJoin(row.args, " ");
  }
  const auto warned = Make({"-F", "nope a", "b"});
  ASSERT_THAT(warned, test::IsOk());
  EXPECT_THAT(warned->warnings,
              ElementsAre("No packages matched the filter: nope"));
  EXPECT_THAT(Make({"--fail-if-no-match", "-F", "nope", "-F", "zip a", "b"}),
              test::StatusIs(absl::StatusCode::kNotFound,
                             HasSubstr("filter: nope, zip")));
  for (const char* bad : {"!", "...", "@my/[", "{}", "{p/a,p/b}"}) {
    EXPECT_THAT(Make({"-F", bad, "b"}),
                test::StatusIs(absl::StatusCode::kInvalidArgument,
                               HasSubstr("invalid --filter expression")))
        << bad;
  }
}

TEST_F(PlanTest, DependsOnBringsTasksInWithoutArguments) {
  WriteRoot();
  WritePackage("a", "b", "\"s\": \"echo a\"");
  WritePackage("b", "", "\"s\": \"echo b\"");
  Write("p/a/vite-task.json", R"({"tasks": {
    "one": {"command": "echo one", "dependsOn": ["s", "b#s"]},
    "from": {"command": "echo", "dependsOn":
       [{"task": "s", "from": "dependencies"},
        {"task": "nope", "from": ["devDependencies"]}]}}})");
  EXPECT_THAT(
      Lines({"a#one", "x"}),
      ElementsAre("~/p/a$ echo a", "~/p/b$ echo b", "~/p/a$ echo one x"));
  EXPECT_THAT(Tasks({"a#one"}), ElementsAre("a#s", "b#s", "a#one<a#s,b#s>"));
  EXPECT_THAT(Tasks({"a#from"}), ElementsAre("b#s", "a#from<b#s>"));
  EXPECT_THAT(Tasks({"--ignore-depends-on", "a#one"}), ElementsAre("a#one"));
  EXPECT_THAT(Tasks({"--parallel", "a#from"}), ElementsAre("a#from", "b#s"));
}

TEST_F(PlanTest, CyclesAreErrorsOnlyIfTheyRun) {
  WriteRoot();
  Write("vite-task.json", R"({"tasks": {
    "a": {"command": "echo", "dependsOn": ["b"]},
    "b": {"command": "echo", "dependsOn": ["c"]},
    "c": {"command": "echo", "dependsOn": ["a"]},
    "s": {"command": "echo", "dependsOn": ["s"]}, "ok": "echo"}})");
  EXPECT_THAT(
      Make({"a"}),
      test::StatusIs(absl::StatusCode::kFailedPrecondition,
                     "Cycle dependency detected: root#a -> root#b -> root#c "
                     "-> root#a"));
  EXPECT_THAT(Tasks({"s"}),
              ElementsAre("Cycle dependency detected: root#s -> root#s"));
  EXPECT_THAT(Tasks({"ok"}), ElementsAre("root#ok"));
  EXPECT_THAT(Tasks({"--parallel", "a"}),
              ElementsAre("root#a", "root#b", "root#c"));
}

TEST_F(PlanTest, ABridgeNeverLeadsBackToItsOwnTask) {
  WriteRoot();
  WritePackage("a", "b", "\"t\": \"echo\", \"u\": \"echo\"");
  WritePackage("b", "a", "\"u\": \"echo\"");
  EXPECT_THAT(Tasks({"-r", "t"}), ElementsAre("a#t"));
  EXPECT_THAT(Tasks({"-r", "u"}),
              ElementsAre("Cycle dependency detected: a#u -> b#u -> a#u"));
}

TEST_F(PlanTest, UnknownNamesAreTold) {
  WriteRoot("\"build\": \"echo\"");
  WritePackage("a", "", "\"build\": \"echo\"");
  WritePackage("b", "", "\"x\": \"echo\"");
  Write("p/a2/package.json", R"({"name": "a"})");
  const std::pair<std::vector<std::string>, const char*> rows[] = {
      {{"nope"}, "Task \"nope\" not found"},
      {{"b#nope"}, "Task \"b#nope\" not found"},
      {{"-r", "nope"}, "Task \"nope\" not found"},
      {{"zzz#x"}, "Package 'zzz' not found in the workspace"},
      {{"a#build"}, "Package name 'a' is ambiguous; found in multiple"},
  };
  for (const auto& [args, message] : rows) {
    EXPECT_THAT(Make(args), test::StatusIs(absl::StatusCode::kNotFound,
                                           HasSubstr(message)));
  }
  for (const char* flag : {"-r", "-w"}) {
    EXPECT_THAT(Make({flag, "b#x"}),
                test::StatusIs(absl::StatusCode::kInvalidArgument,
                               HasSubstr("cannot specify package name with")));
  }
  Write("vite-task.json",
        R"({"tasks": {"bad": {"command": "x", "dependsOn": ["nope"]}}})");
  EXPECT_THAT(Make({"build"}),
              test::StatusIs(
                  absl::StatusCode::kInvalidArgument,
                  AllOf(HasSubstr("vite-task.json:1:"), HasSubstr("'nope'"))));
}

TEST_F(PlanTest, ATaskNameMayHoldAHash) {
  WriteRoot();
  WritePackage("a", "", "\"v#w\": \"echo 1\", \"w\": \"echo 2\"");
  cwd_ = "p/a";
  EXPECT_THAT(Tasks({"a#v#w"}), ElementsAre("a#v#w"));
  EXPECT_THAT(Tasks({"v#w"}), ElementsAre("a#v#w"));
  EXPECT_THAT(Tasks({"a#w"}), ElementsAre("a#w"));
}

TEST_F(PlanTest, WhatIsSetForTheMachineIsPartOfEachStep) {
  WriteRoot("\"t\": \"vt run u\", \"u\": \"ls\"");
  const auto described = [this] {
    const auto plan = Make({"--cache", "t"});
    EXPECT_THAT(plan, test::IsOk());
    return plan->tasks[0].steps[0].nested->tasks[0].steps[0].description;
  };
  EXPECT_TRUE(described().toolchain_executed());
  EXPECT_FALSE(described().strict_tracking());
  settings_.toolchain_executed = false;
  settings_.strict_tracking = true;
  EXPECT_FALSE(described().toolchain_executed());
  EXPECT_TRUE(described().strict_tracking());
}

TEST_F(PlanTest, IndependentTasksAreInTheOrderOfPackagesThenNames) {
  WriteRoot();
  Write("vite-task.json", R"({"tasks": {"all": {"command": "echo",
      "dependsOn": ["b#one", "a#two", "b#one", "a#three"]}}})");
  WritePackage("a", "", R"("two": "echo", "three": "echo")");
  WritePackage("b", "", R"("one": "echo")");
  EXPECT_THAT(Tasks({"all"}), ElementsAre("a#three", "a#two", "b#one",
                                          "root#all<a#three,a#two,b#one>"));
}

TEST_F(PlanTest, FromNamesTheFieldsThatCount) {
  WriteRoot();
  WritePackage("lib", "", "\"s\": \"echo\"");
  WritePackage("dev", "", "\"s\": \"echo\"");
  Write("p/app/package.json",
        R"({"name": "app", "dependencies": {"lib": "workspace:*"},
            "devDependencies": {"dev": "workspace:*"}})");
  Write("p/app/vite-task.json", R"({"tasks": {
    "a": {"command": "echo", "dependsOn": [
        {"task": "s", "from": "dependencies"}]},
    "b": {"command": "echo", "dependsOn": [
        {"task": "s", "from": ["devDependencies"]}]},
    "c": {"command": "echo", "dependsOn": [
        {"task": "s", "from": ["devDependencies", "dependencies"]}]}}})");
  EXPECT_THAT(Tasks({"app#a"}), ElementsAre("lib#s", "app#a<lib#s>"));
  EXPECT_THAT(Tasks({"app#b"}), ElementsAre("dev#s", "app#b<dev#s>"));
  EXPECT_THAT(Tasks({"app#c"}),
              ElementsAre("dev#s", "lib#s", "app#c<dev#s,lib#s>"));
}

TEST_F(PlanTest, ATaskIsNoHook) {
  WriteRoot(R"("build": "echo it", "preother": "echo no")");
  Write("vite-task.json", R"({"tasks": {"prebuild": "echo before",
                                        "other": "echo other"}})");
  EXPECT_THAT(Lines({"build"}), ElementsAre("$ echo it"));
  EXPECT_THAT(Lines({"other"}), ElementsAre("$ echo other"));
}

TEST_F(PlanTest, OnlyInclusionsThatMatchNothingAreWarnedOf) {
  WriteRoot("\"b\": \"echo\"");
  WritePackage("a", "", "\"b\": \"echo\"");
  Write("p/x/package.json", R"({"name": "@x/s", "scripts": {"b": "echo"}})");
  Write("p/y/package.json", R"({"name": "@y/s", "scripts": {"b": "echo"}})");
  Write("p/z/package.json", R"({"scripts": {"b": "echo"}})");
  const auto warnings = [this](const std::string& filter) {
    const auto plan = Make({"-F", filter, "b"});
    EXPECT_THAT(plan, test::IsOk());
    return plan.ok() ? plan->warnings : std::vector<std::string>();
  };
  EXPECT_THAT(warnings("a !nope"), testing::IsEmpty());
  EXPECT_THAT(warnings("nope"),
              ElementsAre("No packages matched the filter: nope"));
  // Two scopes have it: none is meant (R-SEL-8).
  EXPECT_THAT(warnings("s"), ElementsAre("No packages matched the filter: s"));
  EXPECT_THAT(Tasks({"-F", "s", "b"}), testing::IsEmpty());
  // A pattern of names does not reach what has none.
  EXPECT_THAT(Tasks({"-F", "*", "b"}),
              ElementsAre("root#b", "a#b", "@x/s#b", "@y/s#b"));
  EXPECT_THAT(Tasks({"-F", "./p/z", "b"}), ElementsAre("b"));
  // R-SEL-3, R-SEL-18: the root is all there is to subtract from.
  EXPECT_THAT(Tasks({"-w", "-F", "!a", "b"}), ElementsAre("root#b"));
}

TEST_F(PlanTest, TheConcurrencyLimitHasItsOrderOfPrecedence) {
  WriteRoot("\"t\": \"echo\"");
  auto limit = [this](std::vector<std::string> args) {
    args.push_back("t");
    const auto plan = Make(args);
    return plan.ok() ? plan->concurrency : -1;
  };
  EXPECT_EQ(limit({}), 4);
  EXPECT_EQ(limit({"--parallel"}), 0);
  EXPECT_EQ(limit({"--parallel", "--concurrency-limit", "3"}), 3);
  EXPECT_EQ(limit({"--concurrency-limit", "0"}), 1);
  EXPECT_GE(limit({"--concurrency-limit", "50%"}), 1);
  settings_.concurrency = "11";
  EXPECT_EQ(limit({}), 11);
  EXPECT_EQ(limit({"--parallel"}), 0);
  env_["VP_RUN_CONCURRENCY_LIMIT"] = "7";
  EXPECT_EQ(limit({}), 7);
  EXPECT_EQ(limit({"--concurrency-limit", "2"}), 2);
  env_["VT_RUN_CONCURRENCY_LIMIT"] = "5";
  EXPECT_EQ(limit({}), 5);
  env_["VT_RUN_CONCURRENCY_LIMIT"] = "";
  env_["VP_RUN_CONCURRENCY_LIMIT"] = "many";
  EXPECT_THAT(
      Make({"t"}),
      test::StatusIs(absl::StatusCode::kFailedPrecondition,
                     "Invalid value for VP_RUN_CONCURRENCY_LIMIT: \"many\""));
}

TEST_F(PlanTest, TheListHasTheCurrentPackageFirst) {
  WriteRoot("\"z\": \"cat z\"");
  WritePackage("b", "", "\"y\": \"echo y\"");
  WritePackage("a", "", "\"x\": \"echo x\"");
  Write("p/b/vite-task.json", R"({"tasks": {"c": ["d", "e"]}})");
  cwd_ = "p/b";
  const std::string cwd = (root() / cwd_).string();
  const auto workspace = workspace::Load(cwd);
  ASSERT_THAT(workspace, test::IsOk());
  std::vector<std::string> lines;
  for (const ListedTask& task : ListTasks(**workspace, cwd)) {
    lines.push_back(absl::StrCat(task.label, ": ", task.command));
  }
  EXPECT_THAT(lines, ElementsAre("c: d && e", "y: echo y", "a#x: echo x",
                                 "root#z: cat z"));
}

TEST_F(PlanTest, AnUnknownBareNameGetsSimilarOnes) {
  WriteRoot(R"("build": "echo", "rebuild": "x", "lint": "y")");
  WritePackage("a", "", "\"build\": \"z\"");
  const auto workspace = workspace::Load(root().string());
  ASSERT_THAT(workspace, test::IsOk());
  RunFlags flags;
  flags.task = "BUID";
  EXPECT_EQ(UnknownTaskText(**workspace, flags, root().string()),
            "Task \"BUID\" not found. Did you mean:\n  build: echo\n"
            "  rebuild: x\n  a#build: z\n");
  flags.task = "biuld";
  EXPECT_EQ(UnknownTaskText(**workspace, flags, root().string()),
            "Task \"biuld\" not found. Did you mean:\n  build: echo\n");
  flags.task = "zz";
  EXPECT_EQ(UnknownTaskText(**workspace, flags, root().string()),
            "Task \"zz\" not found.\n");
  flags.recursive = true;
  EXPECT_FALSE(
      UnknownTaskText(**workspace, flags, root().string()).has_value());
}

TEST_F(PlanTest, ANestedRunnerIsNeverCached) {
  WriteRoot();
  WriteProgram("node_modules/.bin/vp");
  Write("vite-task.json",
        R"({"tasks": {"t": "vp run --help", "b": "vp build"}})");
  const auto run = Make({"t"});
  ASSERT_THAT(run, test::IsOk());
  EXPECT_FALSE(run->tasks[0].steps[0].cached);
  const auto build = Make({"b"});
  ASSERT_THAT(build, test::IsOk());
  EXPECT_TRUE(build->tasks[0].steps[0].cached);
}

TEST_F(PlanTest, UncachedStepsInheritTheWholeEnvironment) {
  WriteRoot("\"s\": \"A=1 cat\"");
  env_["SECRET"] = "x";
  const auto plan = Make({"s"});
  ASSERT_THAT(plan, test::IsOk());
  EXPECT_THAT(plan->tasks[0].steps[0].env.Entries(),
              AllOf(Contains("SECRET=x"), Contains("A=1"), Contains("VP_RUN=1"),
                    Not(Contains(HasSubstr("FORCE_COLOR")))));
}

}  // namespace
}  // namespace vt::plan
