// SPDX-License-Identifier: Apache-2.0
//
// `--filter '[ref]'`: packages that git says have changed (X-7).

#include <sys/wait.h>

#include <cstdlib>
#include <filesystem>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "daemon/plan/git_changes.h"
#include "tests/support/status_matchers.h"
#include "tests/unit/plan/plan_fixture.h"

namespace vt::plan {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::UnorderedElementsAre;

// root, and a -> b -> c below p/; committed, with the tag `base`.
class SinceTest : public PlanTest {
 protected:
  void SetUp() override {
    if (std::system("git --version >/dev/null 2>&1") != 0) {
      GTEST_SKIP() << "REQUIRES(git): not in PATH";
    }
    // Whatever the user's own configuration says.
    env_["GIT_CONFIG_GLOBAL"] = "/dev/null";
    env_["GIT_CONFIG_NOSYSTEM"] = "1";
    WriteRoot(R"("t": "echo")");
    WritePackage("a", "b", R"("t": "echo")");
    WritePackage("b", "c", R"("t": "echo")");
    WritePackage("c", "", R"("t": "echo")");
    Write("p/b/old.txt", "1");
    Write(".gitignore", "*.log\n");
    Git("init -q -b main .");
    Commit("base");
  }
  void Git(const std::string& arguments) {
    const std::string command =
        "cd '" + root().string() +
        "' && GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_NOSYSTEM=1 git "
        "-c user.name=x -c user.email=x@x " +
        arguments;
    ASSERT_EQ(std::system(command.c_str()), 0) << command;
  }
  void Commit(const std::string& tag) {
    Git("add -A");
    Git("commit -q -m x");
    Git("tag " + tag);
  }
  std::vector<std::string> Selected(const std::string& filter) {
    const auto plan = Make({"-F", filter, "t"});
    if (!plan.ok()) {
      return {std::string(plan.status().message())};
    }
    std::vector<std::string> out;
    for (const PlannedTask& task : plan->tasks) {
      out.push_back(task.label);
    }
    return out;
  }
};

TEST_F(SinceTest, ChangedDeletedCommittedAndNewFilesCountIgnoredOnesDoNot) {
  EXPECT_THAT(Selected("[base]"), IsEmpty());
  Write("p/c/debug.log", "x");
  EXPECT_THAT(Selected("[base]"), IsEmpty());
  Write("p/c/new file.txt", "x");
  EXPECT_THAT(Selected("[base]"), ElementsAre("c#t"));
  std::filesystem::remove(root() / "p/b/old.txt");
  EXPECT_THAT(Selected("[base]"), UnorderedElementsAre("b#t", "c#t"));
  Commit("two");
  EXPECT_THAT(Selected("[base]"), UnorderedElementsAre("b#t", "c#t"));
  EXPECT_THAT(Selected("[two]"), IsEmpty());
  EXPECT_THAT(Selected("[two~1]"), UnorderedElementsAre("b#t", "c#t"));
}

TEST_F(SinceTest, AFileBelongsToTheInnermostPackage) {
  Write("p/c/src/deep/x.txt", "x");
  EXPECT_THAT(Selected("[base]"), ElementsAre("c#t"));
  Write("README", "x");
  EXPECT_THAT(Selected("[base]"), UnorderedElementsAre("root#t", "c#t"));
}

TEST_F(SinceTest, GoesWithNamesDirectoriesAndDependencies) {
  Write("p/b/x", "x");
  Write("p/c/x", "x");
  EXPECT_THAT(Selected("...[base]"), UnorderedElementsAre("a#t", "b#t", "c#t"));
  EXPECT_THAT(Selected("...^[base]"), ElementsAre("a#t"));
  EXPECT_THAT(Selected("b[base]"), ElementsAre("b#t"));
  EXPECT_THAT(Selected("a[base]"), IsEmpty());
  EXPECT_THAT(Selected("{p/c}[base]"), ElementsAre("c#t"));
  EXPECT_THAT(Selected("b{p/*}[base]..."), UnorderedElementsAre("b#t", "c#t"));
  EXPECT_THAT(Selected("[base] !b"), ElementsAre("c#t"));
  EXPECT_THAT(Selected("![base]"), UnorderedElementsAre("root#t", "a#t"));
}

TEST_F(SinceTest, NothingChangedIsAFilterWithoutMatch) {
  EXPECT_THAT(Make({"-F", "[base]", "t"})->warnings,
              ElementsAre("No packages matched the filter: [base]"));
}

TEST_F(SinceTest, AWorkspaceBelowTheRepositorySeesItsOwnFiles) {
  Write("sub/package.json", R"({"name": "sub", "workspaces": ["q/*"]})");
  Write("sub/q/d/package.json", R"({"name": "d", "scripts": {"t": "echo"}})");
  Commit("three");
  Write("p/a/x", "x");
  Write("sub/q/d/x", "x");
  cwd_ = "sub";
  EXPECT_THAT(Selected("[three]"), ElementsAre("d#t"));
}

TEST_F(SinceTest, SaysWhatGitSays) {
  EXPECT_THAT(Make({"-F", "[nope]", "t"}),
              test::StatusIs(absl::StatusCode::kFailedPrecondition,
                             HasSubstr("--filter [nope]: git does not know "
                                       "`nope` here")));
  EXPECT_THAT(Make({"-F", "[--output=x]", "t"}),
              test::StatusIs(absl::StatusCode::kFailedPrecondition,
                             HasSubstr("does not know `--output=x`")));
  EXPECT_THAT(Make({"-F", "[]", "t"}),
              test::StatusIs(absl::StatusCode::kInvalidArgument,
                             HasSubstr("Empty git reference")));
  std::filesystem::remove_all(root() / ".git");
  EXPECT_THAT(Make({"-F", "[base]", "t"}),
              test::StatusIs(absl::StatusCode::kFailedPrecondition,
                             HasSubstr("is not in a git repository")));
  env_["PATH"] = "/nowhere";
  EXPECT_THAT(Make({"-F", "[base]", "t"}),
              test::StatusIs(absl::StatusCode::kFailedPrecondition,
                             HasSubstr("needs git, which is not in PATH")));
}

}  // namespace
}  // namespace vt::plan
