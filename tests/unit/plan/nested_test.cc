// SPDX-License-Identifier: Apache-2.0
//
// `vt run` in the command of a task (spec/runner.md 4.2).

#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/status_matchers.h"
#include "tests/unit/plan/plan_fixture.h"

namespace vt::plan {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::StartsWith;

class NestedTest : public PlanTest {
 protected:
  // a depends on b; both have `build`, and so has the root what is given.
  void WriteWorkspace(const std::string& root_scripts) {
    WriteRoot(root_scripts);
    WritePackage("a", "b", R"("build": "echo a")");
    WritePackage("b", "", R"("build": "echo b")");
  }
  // Programs `vt` and `vp` to be found.
  void WriteProgramsForNested() {
    WriteProgram("node_modules/.bin/vt");
    WriteProgram("node_modules/.bin/vp");
  }
  // The only step of the only task of `task`.
  Step OnlyStep(const std::string& task) {
    const auto plan = Make({task});
    EXPECT_THAT(plan, test::IsOk());
    return plan.ok() && plan->tasks.size() == 1 &&
                   plan->tasks[0].steps.size() == 1
               ? plan->tasks[0].steps[0]
               : Step();
  }
};

TEST_F(NestedTest, ARunInACommandIsPlannedInItsPlace) {
  WriteWorkspace(R"("ci": "echo 1 && vp run -r build x && vpr t 'a b'",
                    "t": "echo t")");
  const auto plan = Make({"ci"});
  ASSERT_THAT(plan, test::IsOk());
  ASSERT_EQ(plan->tasks.size(), 1U);
  const std::vector<Step>& steps = plan->tasks[0].steps;
  ASSERT_EQ(steps.size(), 3U);
  EXPECT_EQ(steps[1].kind, Step::Kind::kNested);
  EXPECT_EQ(steps[1].display_command, "vp run -r build x");
  ASSERT_EQ(steps[1].nested->tasks.size(), 2U);
  EXPECT_EQ(steps[1].nested->tasks[1].label, "a#build");
  EXPECT_THAT(steps[1].nested->tasks[1].depends_on, ElementsAre(0));
  EXPECT_THAT(Lines({"ci"}), ElementsAre("$ echo 1", "~/p/b$ echo b x",
                                         "~/p/a$ echo a x", "$ echo t 'a b'"));
}

TEST_F(NestedTest, ItIsEvaluatedInTheDirectoryOfTheStep) {
  WriteWorkspace(R"("t": "cd p/a && vt run build")");
  EXPECT_THAT(Lines({"t"}), ElementsAre("~/p/a$ echo a"));
}

TEST_F(NestedTest, ExtraArgumentsReachItsTask) {
  WriteWorkspace(R"("t": "vt run a#build")");
  EXPECT_THAT(Lines({"t", "x", "-v"}), ElementsAre("~/p/a$ echo a x -v"));
}

TEST_F(NestedTest, PrefixAssignmentsAreTheEnvironmentOfItsCaller) {
  WriteRoot();
  Write("vite-task.json", R"({"tasks": {
    "show": {"command": "cat", "cache": {"env": ["X"]}},
    "hidden": "cat", "uncached": {"command": "cat", "cache": false},
    "t": "X=1 vt run show", "h": "X=1 vt run hidden",
    "u": "X=1 vt run uncached"}})");
  using testing::Contains;
  EXPECT_THAT(OnlyStep("t").nested->tasks[0].steps[0].env.Entries(),
              Contains("X=1"));
  EXPECT_THAT(OnlyStep("h").nested->tasks[0].steps[0].env.Entries(),
              Not(Contains("X=1")));
  EXPECT_THAT(OnlyStep("u").nested->tasks[0].steps[0].env.Entries(),
              Contains("X=1"));
}

TEST_F(NestedTest, ProgramsOfTheInnerPackageComeFirst) {
  WriteWorkspace(R"("t": "vt run a#cat")");
  WritePackage("a", "", R"("cat": "cat")");
  const Step inner = OnlyStep("t").nested->tasks[0].steps[0];
  const std::string root_directory = root().string();
  EXPECT_EQ(inner.tool_env.All()->at("PATH"),
            root_directory + "/p/a/node_modules/.bin:" + root_directory +
                "/node_modules/.bin:/usr/bin:/bin");
}

TEST_F(NestedTest, ItHasALimitOfItsOwn) {
  WriteWorkspace(R"("a": "vt run --concurrency-limit 7 -r build",
                    "b": "vt run --parallel -r build",
                    "c": "VT_RUN_CONCURRENCY_LIMIT=3 vt run -r build",
                    "d": "vt run -r build")");
  EXPECT_EQ(OnlyStep("a").nested->concurrency, 7);
  EXPECT_EQ(OnlyStep("b").nested->concurrency, 0);
  EXPECT_EQ(OnlyStep("c").nested->concurrency, 3);
  EXPECT_EQ(Make({"--concurrency-limit", "9", "d"})
                ->tasks[0]
                .steps[0]
                .nested->concurrency,
            4);
}

TEST_F(NestedTest, CacheForceAndFailFastAreInheritedUnlessItSaysOtherwise) {
  WriteRoot();
  Write("vite-task.json", R"({"tasks": {"c": "cat", "plain": "vt run c",
    "on": "vt run --cache c", "go": "vt run --continue c",
    "stop": "vt run --fail-fast=yes c"}})");
  const auto inner = [this](std::vector<std::string> args) {
    return Make(std::move(args))->tasks[0].steps[0].nested;
  };
  EXPECT_FALSE(inner({"--no-cache", "plain"})->tasks[0].steps[0].cached);
  EXPECT_TRUE(inner({"--no-cache", "on"})->tasks[0].steps[0].cached);
  EXPECT_TRUE(inner({"--force", "plain"})->tasks[0].steps[0].refresh);
  EXPECT_FALSE(inner({"plain"})->tasks[0].steps[0].refresh);
  EXPECT_FALSE(inner({"--continue", "plain"})->fail_fast);
  EXPECT_FALSE(inner({"go"})->fail_fast);
  EXPECT_TRUE(inner({"--continue", "stop"})->fail_fast);
}

TEST_F(NestedTest, WhatOnlyPrintsIsAProcess) {
  WriteProgramsForNested();
  WriteRoot(R"("a": "vt run", "b": "vt run --help", "c": "vt cache clean",
               "d": "vt run --dry-run a", "e": "vt run a | cat",
               "f": "/bin/cat run a", "g": "vt run --last-details")");
  for (const char* task : {"a", "b", "c", "d", "g"}) {
    const Step step = OnlyStep(task);
    EXPECT_EQ(step.kind, Step::Kind::kProcess) << task;
    EXPECT_FALSE(step.cached) << task;
  }
  EXPECT_EQ(OnlyStep("e").kind, Step::Kind::kShell);
  EXPECT_EQ(OnlyStep("f").kind, Step::Kind::kProcess);
}

TEST_F(NestedTest, ADirectoryOfAnotherWorkspaceIsLeftToAProcess) {
  WriteProgramsForNested();
  WriteRoot(R"("in": "cd other/deep && vt run t", "out": "cd .. && vt run t",
               "t": "echo t", "same": "cd src && vt run t")");
  Write("other/package.json", R"({"scripts": {"t": "echo other"}})");
  EXPECT_EQ(OnlyStep("in").kind, Step::Kind::kProcess);
  EXPECT_EQ(OnlyStep("out").kind, Step::Kind::kProcess);
  EXPECT_EQ(OnlyStep("same").kind, Step::Kind::kNested);
}

TEST_F(NestedTest, ARunOfWhatItIsPartOfIsLeftOut) {
  WriteWorkspace(R"("build": "vt run -r build", "self": "vt run self",
                    "all": "echo 1 && vt run -r all && echo 2")");
  EXPECT_THAT(Lines({"build"}), ElementsAre("~/p/b$ echo b", "~/p/a$ echo a"));
  EXPECT_THAT(Lines({"-r", "build"}),
              ElementsAre("~/p/b$ echo b", "~/p/a$ echo a"));
  EXPECT_THAT(Lines({"self"}), IsEmpty());
  EXPECT_THAT(Lines({"all"}), ElementsAre("$ echo 1", "$ echo 2"));
}

// As a process of its own, in shell syntax.
TEST_F(NestedTest, ARunThatAsksForWhatItIsPartOfIsEmpty) {
  WriteWorkspace(R"("build": "vt run -r build | cat")");
  const auto outer = Make({"-r", "build"});
  ASSERT_THAT(outer, test::IsOk());
  inside_ = {{root(), "", "build", "root#build", outer->query}};
  EXPECT_THAT(Tasks({"-r", "build"}), IsEmpty());
  // Another question: without the task that asks.
  EXPECT_THAT(Tasks({"-F", "*", "--ignore-depends-on", "build"}),
              ElementsAre("b#build", "a#build<b#build>"));
}

TEST_F(NestedTest, TheDefaultVariablesPassWithThoseOfThePrefix) {
  WriteRoot(R"("a": "TZ=UTC HIDDEN=1 vt run b")");
  Write("vite-task.json", R"({"tasks": {"b": "ls"}})");
  env_["LANG"] = "C";
  env_["OTHER"] = "x";
  const Step nested = OnlyStep("a");
  ASSERT_NE(nested.nested, nullptr);
  const std::vector<std::string> env =
      nested.nested->tasks[0].steps[0].env.Entries();
  EXPECT_THAT(env, testing::IsSupersetOf({"HOME=/home/x", "LANG=C", "TZ=UTC"}));
  EXPECT_THAT(env, Not(testing::Contains(StartsWith("OTHER="))));
  EXPECT_THAT(env, Not(testing::Contains(StartsWith("HIDDEN="))));
}

TEST_F(NestedTest, TheTaskThatRunsItIsBypassed) {
  // b -> root -> a would be the order of `-r`; without the root: b -> a.
  Write("package.json", R"({"name": "root", "workspaces": ["p/*"],
    "dependencies": {"b": "workspace:*"},
    "scripts": {"build": "vt run -r build"}})");
  WritePackage("b", "", R"("build": "echo b")");
  Write("p/a/package.json", R"({"name": "a", "scripts": {"build": "echo a"},
    "dependencies": {"root": "workspace:*"}})");
  const Step step = OnlyStep("build");
  ASSERT_EQ(step.nested->tasks.size(), 2U);
  EXPECT_EQ(step.nested->tasks[0].label, "b#build");
  EXPECT_EQ(step.nested->tasks[1].label, "a#build");
  EXPECT_THAT(step.nested->tasks[1].depends_on, ElementsAre(0));
}

TEST_F(NestedTest, ATaskThatReachesItselfIsAnErrorWithTheChain) {
  WriteRoot(R"("x": "vp run y", "y": "vp run z", "z": "vp run x")");
  const auto plan = Make({"x"});
  EXPECT_TRUE(absl::IsFailedPrecondition(plan.status()));
  EXPECT_EQ(plan.status().message(),
            "Failed to plan tasks from `vp run y` in task root#x\n"
            "* Failed to plan tasks from `vp run z` in task root#y\n"
            "* Failed to plan tasks from `vp run x` in task root#z\n"
            "* the task runs itself: root#x -> root#y -> root#z -> root#x");
}

TEST_F(NestedTest, AProcessThatAsksFromInsideATaskIsTreatedAlike) {
  WriteWorkspace(R"("build": "sh -c 'vt run -r build'", "x": "echo x")");
  const auto outer = Make({"build"});
  ASSERT_THAT(outer, test::IsOk());
  inside_ = {{root().string(), "", "build", "root#build", outer->query}};
  EXPECT_THAT(Tasks({"-r", "build"}),
              ElementsAre("b#build", "a#build<b#build>"));
  EXPECT_THAT(Tasks({"build"}), IsEmpty());
  inside_.push_back({root().string(), "", "x", "root#x", "other"});
  EXPECT_THAT(Tasks({"-r", "build"}),
              ElementsAre("the task runs itself: root#build -> root#x -> "
                          "root#build"));
  inside_[0].root = "/elsewhere";
  EXPECT_EQ(Tasks({"-r", "build"}).size(), 3U);
}

TEST_F(NestedTest, ErrorsNameTheCommandAndTheTask) {
  WriteRoot(R"("a": "vp run nope", "b": "vp run --nope x",
               "c": "vp run -r -t x", "prex": "vp run nope", "x": "echo")");
  const auto unknown = Make({"a"});
  EXPECT_TRUE(absl::IsFailedPrecondition(unknown.status()));
  EXPECT_EQ(unknown.status().message(),
            "Failed to plan tasks from `vp run nope` in task root#a\n"
            "* Task \"nope\" not found");
  EXPECT_TRUE(absl::IsInvalidArgument(Make({"b"}).status()));
  EXPECT_THAT(std::string(Make({"b"}).status().message()),
              AllOf(StartsWith("Failed to plan tasks from `vp run --nope x` in "
                               "task root#b\n* unexpected argument `--nope`"),
                    Not(HasSubstr("Usage"))));
  EXPECT_THAT(std::string(Make({"c"}).status().message()),
              HasSubstr("--recursive and --transitive"));
  EXPECT_THAT(std::string(Make({"x"}).status().message()),
              HasSubstr("in task root#prex"));
}

TEST_F(NestedTest, AFilterWithoutMatchWarnsOnceAndSucceeds) {
  WriteWorkspace(R"("ok": "vp run --filter nope build && echo still")");
  const auto plan = Make({"ok"});
  ASSERT_THAT(plan, test::IsOk());
  EXPECT_THAT(plan->warnings,
              ElementsAre("No packages matched the filter: nope"));
  EXPECT_THAT(Lines({"ok"}), ElementsAre("$ echo still"));
}

TEST_F(NestedTest, ATaskHasOnePositionWhereverItIsRunFrom) {
  WriteRoot();
  Write("vite-task.json", R"({"tasks": {"c": "cat", "n": "vt run c"}})");
  EXPECT_EQ(OnlyStep("n").nested->tasks[0].steps[0].position,
            OnlyStep("c").position);
}

}  // namespace
}  // namespace vt::plan
