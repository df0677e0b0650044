// SPDX-License-Identifier: Apache-2.0
//
// What is remembered counts only while all that it rests on holds.

#include "daemon/run/known.h"

#include <fstream>
#include <memory>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include <gtest/gtest.h>

#include "tests/support/temp_dir.h"

namespace vt::run {
namespace {

class KnownTest : public testing::Test {
 protected:
  KnownTest() : watcher_(*watch::Watcher::Create({})) {}

  // On a file of that name.
  watch::LeasePtr Lease(const std::string& name) {
    base::Consulted consulted;
    consulted.paths.push_back({Path(name), false, false});
    const std::string root = dir_.path().string();
    EXPECT_TRUE(watcher_->Sync());
    watcher_->Take(consulted, root, watcher_->Now());
    return watcher_->Take(consulted, root, watcher_->Now());
  }
  void End(const std::string& name) {
    std::ofstream(Path(name)) << "changed";
    EXPECT_TRUE(watcher_->Sync());
  }
  static KnownHitPtr Hit(Leases leases = {}) {
    KnownHit hit;
    hit.leases = std::move(leases);
    return std::make_shared<const KnownHit>(std::move(hit));
  }
  static Basis On(Leases leases, std::vector<KnownHitPtr> hits = {}) {
    Basis basis;
    basis.leases = std::move(leases);
    basis.hits = std::move(hits);
    return basis;
  }
  static KnownPlan Plan(std::shared_ptr<const workspace::Workspace> workspace,
                        watch::LeasePtr lease, size_t tasks = 1,
                        const std::string& program_missing = "") {
    auto plan = std::make_shared<plan::Plan>();
    plan->tasks.resize(tasks);
    for (plan::PlannedTask& task : plan->tasks) {
      plan::Step step;
      step.program_missing = program_missing;
      task.steps.push_back(std::move(step));
    }
    return {std::move(workspace), std::move(lease), std::move(plan)};
  }

  std::string Path(const std::string& name) const {
    return (dir_.path() / name).string();
  }

  test::TempDir dir_;
  std::unique_ptr<watch::Watcher> watcher_;
};

TEST_F(KnownTest, AnAnswerHoldsAsLongAsAllThatItRestsOn) {
  const Basis basis = On({Lease("a"), Lease("b")}, {Hit({Lease("c")})});
  EXPECT_TRUE(basis.Holds());
  Basis other = On({Lease("d")}, {Hit({Lease("e")})});
  other.Add(basis);
  EXPECT_TRUE(other.Holds());
  End("e");
  EXPECT_FALSE(other.Holds());
  EXPECT_TRUE(basis.Holds());
  End("c");
  EXPECT_FALSE(basis.Holds());
  EXPECT_FALSE(On(basis.leases, {Hit(), Hit({nullptr})}).Holds());
  EXPECT_TRUE(On(basis.leases).Holds());
  End("b");
  EXPECT_FALSE(On(basis.leases).Holds());
}

TEST_F(KnownTest, NothingRestsOnALeaseOrAHitThatWasNotHad) {
  EXPECT_TRUE(On({}).Holds());
  EXPECT_FALSE(On({nullptr}).Holds());
  EXPECT_FALSE(On({}, {nullptr}).Holds());
}

TEST_F(KnownTest, ALaterLookupAtItsPositionSupersedesAHit) {
  KnownHits hits;
  const KnownHitPtr first = Hit(), second = Hit(), elsewhere = Hit();
  hits.Keep("/w", "a#build", first);
  hits.Keep("/w", "b#build", elsewhere);
  hits.Keep("/v", "a#build", elsewhere);
  EXPECT_TRUE(On({}, {first}).Holds());
  hits.Keep("/w", "a#build", second);
  EXPECT_EQ(hits.Find("/w", "a#build"), second);
  EXPECT_FALSE(On({}, {first}).Holds());
  EXPECT_TRUE(On({}, {second, elsewhere}).Holds());
  hits.Forget("/w", "a#build");
  EXPECT_EQ(hits.Find("/w", "a#build"), nullptr);
  EXPECT_FALSE(On({}, {second}).Holds());
  EXPECT_EQ(hits.Find("/v", "a#build"), elsewhere);
}

// Nobody would tell those who rest on it of a later lookup.
TEST_F(KnownTest, AHitThatIsForgottenForWantOfRoomIsSupersededToo) {
  KnownHits hits;
  const KnownHitPtr first = Hit();
  hits.Keep("/w", "first", first);
  for (int i = 0; hits.Find("/w", "first") != nullptr; ++i) {
    ASSERT_LT(i, 1'000'000);
    ASSERT_TRUE(On({}, {first}).Holds());
    hits.Keep("/w", absl::StrCat(i), Hit());
  }
  EXPECT_FALSE(On({}, {first}).Holds());

  const KnownHitPtr last = Hit();
  hits.Keep("/w", "last", last);
  hits.Clear();
  EXPECT_EQ(hits.Find("/w", "last"), nullptr);
  EXPECT_FALSE(On({}, {last}).Holds());
}

TEST_F(KnownTest, AWorkspaceIsKnownWhileItHoldsAndInTheSameEnvironment) {
  KnownWorkspaces workspaces;
  KnownWorkspace known;
  known.workspace = std::make_shared<const workspace::Workspace>();
  known.rests_on = On({Lease("a")});
  workspaces.Keep("/plain", known);
  known.env = EnvDigest({{"A", "1"}});
  workspaces.Keep("/evaluated", known);
  EXPECT_NE(workspaces.Find("/plain", {{"A", "2"}}), nullptr);
  EXPECT_NE(workspaces.Find("/evaluated", {{"A", "1"}}), nullptr);
  EXPECT_EQ(workspaces.Find("/evaluated", {{"A", "2"}}), nullptr);
  EXPECT_EQ(workspaces.Find("/evaluated", {}), nullptr);
  EXPECT_EQ(workspaces.Find("/other", {}), nullptr);
  End("a");
  EXPECT_EQ(workspaces.Find("/plain", {}), nullptr);
  EXPECT_EQ(workspaces.Find("/evaluated", {{"A", "1"}}), nullptr);
}

TEST_F(KnownTest, EnvironmentsHaveOneDigestOnlyIfTheyAreEqual) {
  const base::Digest digest = EnvDigest({{"A", "1"}, {"B", "2"}});
  EXPECT_EQ(digest, EnvDigest({{"B", "2"}, {"A", "1"}}));
  EXPECT_NE(digest, EnvDigest({{"A", "1"}, {"B", ""}}));
  EXPECT_NE(digest, EnvDigest({{"A", "1"}}));
  EXPECT_NE(digest, EnvDigest({{"A", "1B2"}}));
  EXPECT_NE(EnvDigest({}), EnvDigest({{"", ""}}));
}

TEST_F(KnownTest, TheRootOfADirectoryIsKnownWhileItHolds) {
  KnownWorkspaces workspaces;
  workspaces.KeepRoot("/w/a", {"/w", Lease("a")});
  ASSERT_NE(workspaces.FindRoot("/w/a"), nullptr);
  EXPECT_EQ(workspaces.FindRoot("/w/a")->root, "/w");
  EXPECT_EQ(workspaces.FindRoot("/w"), nullptr);
  End("a");
  EXPECT_EQ(workspaces.FindRoot("/w/a"), nullptr);
}

TEST_F(KnownTest, APlanIsThatOfOneRequestAndOneWorkspaceWhileItHolds) {
  KnownPlans plans;
  const auto workspace = std::make_shared<const workspace::Workspace>();
  const auto equal = std::make_shared<const workspace::Workspace>();
  plans.Keep("run build", Plan(workspace, Lease("a")));
  EXPECT_NE(plans.Find("run build", workspace.get()), nullptr);
  EXPECT_EQ(plans.Find("run build", equal.get()), nullptr);
  EXPECT_EQ(plans.Find("run test", workspace.get()), nullptr);
  End("a");
  EXPECT_EQ(plans.Find("run build", workspace.get()), nullptr);
}

TEST_F(KnownTest, APlanThatIsMadeByWhatIsInTheCacheIsNotKept) {
  KnownPlans plans;
  plans.Keep("run build", Plan(nullptr, Lease("a"), 1, "no such program"));
  EXPECT_EQ(plans.Find("run build", nullptr), nullptr);
}

TEST_F(KnownTest, LargePlansDriveOutOlderOnesButNotThemselves) {
  KnownPlans plans;
  const watch::LeasePtr lease = Lease("a");
  plans.Keep("small", Plan(nullptr, lease));
  plans.Keep("large", Plan(nullptr, lease, 1'000'000));
  EXPECT_NE(plans.Find("large", nullptr), nullptr);
  EXPECT_EQ(plans.Find("small", nullptr), nullptr);
}

TEST_F(KnownTest, WhatIsOldIsForgottenAlsoIfTheClockWasSetBack) {
  const absl::Time start = absl::FromUnixSeconds(1'000'000);
  Known known;
  known.Refresh(start);
  const watch::LeasePtr lease = Lease("a");
  const auto fill = [&] {
    known.hits.Keep("/w", "a#build", Hit());
    KnownWorkspace workspace;
    workspace.workspace = std::make_shared<const workspace::Workspace>();
    known.workspaces.Keep("/w", std::move(workspace));
    known.workspaces.KeepRoot("/w/a", {"/w", lease});
    known.plans.Keep("run", Plan(nullptr, lease));
    known.runs.Keep("run", {});
  };
  const auto count = [&] {
    return (known.hits.Find("/w", "a#build") != nullptr) +
           (known.workspaces.Find("/w", {}) != nullptr) +
           (known.workspaces.FindRoot("/w/a") != nullptr) +
           (known.plans.Find("run", nullptr) != nullptr) +
           (known.runs.Find("run") != nullptr);
  };
  fill();
  known.Refresh(start + absl::Minutes(59));
  EXPECT_EQ(count(), 5);
  known.Refresh(start + absl::Minutes(61));
  EXPECT_EQ(count(), 0);
  // The hour begins anew.
  fill();
  known.Refresh(start + absl::Minutes(119));
  EXPECT_EQ(count(), 5);
  known.Refresh(start);
  EXPECT_EQ(count(), 0);
}

TEST_F(KnownTest, ARunIsFoundByItsRequestUntilItIsForgotten) {
  KnownRuns runs;
  KnownRun run;
  run.root = "/w";
  runs.Keep("build", std::move(run));
  EXPECT_EQ(runs.Find("test"), nullptr);
  ASSERT_NE(runs.Find("build"), nullptr);
  EXPECT_EQ(runs.Find("build")->root, "/w");
  runs.Forget("test");
  EXPECT_NE(runs.Find("build"), nullptr);
  runs.Forget("build");
  EXPECT_EQ(runs.Find("build"), nullptr);
}

}  // namespace
}  // namespace vt::run
