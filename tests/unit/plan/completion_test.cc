// SPDX-License-Identifier: Apache-2.0

#include "daemon/plan/completion.h"

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include <gmock/gmock.h>

namespace vt::plan {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;
using ::testing::UnorderedElementsAre;

workspace::Package MakePackage(const std::string& name, const std::string& path,
                               const std::vector<std::string>& tasks) {
  workspace::Package package;
  package.name = name;
  package.path = path;
  package.directory = path.empty() ? "/w" : absl::StrCat("/w/", path);
  for (const std::string& task : tasks) {
    package.tasks[task].name = task;
    package.tasks[task].commands = {absl::StrCat("run\n", task)};
  }
  return package;
}

workspace::Workspace MakeWorkspace() {
  workspace::Workspace workspace;
  workspace.root = "/w";
  workspace.packages = {MakePackage("root", "", {"build", "test"}),
                        MakePackage("lib", "lib", {"build", "lint"}),
                        MakePackage("", "nameless", {"hidden"})};
  return workspace;
}

std::vector<std::string> Words(const std::vector<std::string>& words,
                               const std::string& cwd = "/w") {
  const workspace::Workspace workspace = MakeWorkspace();
  std::vector<std::string> values;
  for (const auto& candidate : Complete(words, &workspace, cwd).candidates) {
    values.push_back(candidate.value);
  }
  return values;
}

TEST(CompletionTest, OffersCommandsThenTasks) {
  EXPECT_THAT(Words({"vt", "ru"}), ElementsAre("run"));
  EXPECT_THAT(Words({"vt", "run", ""}), ElementsAre("build", "test"));
  EXPECT_THAT(Words({"/usr/bin/vtr", ""}), ElementsAre("build", "test"));
}

TEST(CompletionTest, TraceHasFlagsAndThenACommand) {
  EXPECT_THAT(Words({"vt", "trace", "-"}),
              ElementsAre("--json", "--output", "--tier", "--help"));
  EXPECT_THAT(Words({"vt", "trace", "--json", "--t"}), ElementsAre("--tier"));
  EXPECT_THAT(Words({"vt", "trace", "--tier", ""}), ElementsAre("1", "2", "3"));
  EXPECT_THAT(Words({"vt", "trace", "--tier", "2", "--o"}),
              ElementsAre("--output"));
  const auto wants_files = [](const std::vector<std::string>& words) {
    const Completion answer = Complete(words, nullptr, "/w");
    return answer.wants_files && answer.candidates.empty();
  };
  EXPECT_TRUE(wants_files({"vt", "trace", ""}));
  EXPECT_TRUE(wants_files({"vt", "trace", "-o", ""}));
  EXPECT_TRUE(wants_files({"vt", "trace", "--output", "-"}));
  EXPECT_TRUE(wants_files({"vt", "trace", "ls", "--t"}));
  EXPECT_TRUE(wants_files({"vt", "trace", "--", "--t"}));
  EXPECT_FALSE(wants_files({"vt", "trace", "--tier", ""}));
}

TEST(CompletionTest, HelpIsOfferedForEveryCommand) {
  EXPECT_THAT(Words({"vt", "help", "da"}), ElementsAre("daemon"));
  EXPECT_THAT(Words({"vt", "help", "m"}), ElementsAre("migrate"));
}

TEST(CompletionTest, NothingTypedMeansThePackageAtHand) {
  EXPECT_THAT(Words({"vtr", ""}, "/w/lib/src"), ElementsAre("build", "lint"));
  EXPECT_THAT(Words({"vtr", "l"}), ElementsAre("lib#build", "lib#lint"));
}

TEST(CompletionTest, NamelessPackagesHaveNoLabel) {
  EXPECT_THAT(Words({"vtr", "#"}), IsEmpty());
  EXPECT_THAT(Words({"vtr", ""}, "/w/nameless"), ElementsAre("hidden"));
}

TEST(CompletionTest, DescriptionsAreOneLine) {
  const workspace::Workspace workspace = MakeWorkspace();
  EXPECT_EQ(Complete({"vtr", "te"}, &workspace, "/w").candidates[0].description,
            "run test");
  for (const auto& flag : Complete({"vtr", "--"}, nullptr, "/").candidates) {
    EXPECT_EQ(flag.description.find('\n'), std::string::npos) << flag.value;
    EXPECT_FALSE(flag.description.empty()) << flag.value;
  }
}

TEST(CompletionTest, SelectingSeveralPackagesOffersBareNames) {
  EXPECT_THAT(Words({"vtr", "-r", ""}),
              UnorderedElementsAre("build", "hidden", "lint", "test"));
  EXPECT_THAT(Words({"vtr", "-vF", "lib", "li"}), ElementsAre("lint"));
  EXPECT_THAT(Words({"vtr", "--filter=lib", "li"}), ElementsAre("lint"));
}

TEST(CompletionTest, BehindTheTaskThereAreFiles) {
  const workspace::Workspace workspace = MakeWorkspace();
  for (const std::vector<std::string>& words :
       {std::vector<std::string>{"vtr", "build", ""},
        {"vtr", "build", "--"},
        {"vtr", "--", "build", "x"}}) {
    const Completion completion = Complete(words, &workspace, "/w");
    EXPECT_TRUE(completion.wants_files);
    EXPECT_THAT(completion.candidates, IsEmpty());
  }
  EXPECT_THAT(Words({"vtr", "--", "te"}), ElementsAre("test"));
}

TEST(CompletionTest, AValueIsNoTask) {
  EXPECT_THAT(Words({"vtr", "--concurrency-limit", "2", "te"}),
              ElementsAre("test"));
  EXPECT_THAT(Words({"vtr", "--log", "gr"}), ElementsAre("grouped"));
  EXPECT_THAT(Words({"vtr", "--fail-fast=n"}), ElementsAre("--fail-fast=no"));
}

TEST(CompletionTest, WithoutAWorkspaceThereAreFlags) {
  EXPECT_THAT(Complete({"vt", "run", ""}, nullptr, "/").candidates, IsEmpty());
  EXPECT_THAT(Complete({"vt", "run", "--dry"}, nullptr, "/").candidates,
              SizeIs(1));
  EXPECT_THAT(Complete({}, nullptr, "/").candidates, Not(IsEmpty()));
}

TEST(CompletionTest, SaysWhetherTheWorkspaceMatters) {
  EXPECT_FALSE(Complete({"vt", "ru"}, nullptr, "/").asked_workspace);
  EXPECT_FALSE(Complete({"vtr", "--dr"}, nullptr, "/").asked_workspace);
  EXPECT_FALSE(Complete({"vtr", "--log="}, nullptr, "/").asked_workspace);
  EXPECT_TRUE(Complete({"vtr", ""}, nullptr, "/").asked_workspace);
  EXPECT_TRUE(Complete({"vtr", "--filter="}, nullptr, "/").asked_workspace);
}

}  // namespace
}  // namespace vt::plan
