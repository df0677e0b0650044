// SPDX-License-Identifier: Apache-2.0
//
// What nested actions add to the action around them (decisions H2).

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "daemon/fingerprint/observe.h"
#include "daemon/fingerprint/sink.h"
#include "daemon/run/collect.h"
#include "tests/unit/run/collect_fixture.h"

namespace vt::run {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using track::PreState;
using vtask::storage::v1::Value;
using vtask::v1::NotStored;

class CollectNestedTest : public CollectTest {
 protected:
  CollectNestedTest() { nest_.actions.emplace_back(); }

  InnerAction& inner() { return nest_.actions.front(); }

  // The nested action observed `path`, as it is on the disk now.
  Seen& InnerSaw(Observation::Kind kind, const std::string& path) {
    Seen seen;
    seen.observation.set_kind(kind);
    seen.observation.set_path(path);
    fingerprint::World world;
    world.root = root_;
    world.files = &files_;
    seen.value = fingerprint::Observe(seen.observation, world);
    inner().seen.push_back(seen);
    return inner().seen.back();
  }

  // It was changed by a nested action alone, after it had been `before`.
  Access& Changed(const std::string& path, PreState before,
                  const std::string& text = "") {
    Access& access = Saw(path, 0);
    access.mutated = access.is_output = access.by_nested = true;
    access.pre_state = before;
    if (before == PreState::kFile) {
      access.pre_digest = fingerprint::Sha256(text);
      access.pre_size = text.size();
    }
    return access;
  }

  static const Value* Known(const Collected& collected,
                            const Observation& observation) {
    const auto found =
        collected.action.known_values.find(cache::KnownValueKey(observation));
    return found == collected.action.known_values.end() ? nullptr
                                                        : &found->second;
  }
};

TEST_F(CollectNestedTest, ItsInputsCountWithTheValuesThatItSaw) {
  Write("a.ts", "seen");
  const Value seen = InnerSaw(Observation::CONTENT, "a.ts").value;
  Write("a.ts", "later");
  const Collected collected = Run();
  const Observation* o = Find(collected, Observation::CONTENT, "a.ts");
  ASSERT_NE(o, nullptr);
  ASSERT_NE(Known(collected, *o), nullptr);
  EXPECT_TRUE(fingerprint::SameValue(*Known(collected, *o), seen));
}

TEST_F(CollectNestedTest, WhatBothReadIsCheckedWhenItIsStored) {
  Write("a.ts", "x");
  InnerSaw(Observation::CONTENT, "a.ts");
  Saw("a.ts", track::kContent);
  const Collected collected = Run();
  const Observation* o = Find(collected, Observation::CONTENT, "a.ts");
  ASSERT_NE(o, nullptr);
  EXPECT_EQ(Known(collected, *o), nullptr);
}

TEST_F(CollectNestedTest, TwoThatSawDifferentContentsAreNotStored) {
  Write("a.ts", "one");
  InnerSaw(Observation::CONTENT, "a.ts");
  Write("a.ts", "two");
  InnerSaw(Observation::CONTENT, "a.ts");
  const Collected collected = Run();
  ASSERT_TRUE(collected.not_stored.has_value());
  EXPECT_EQ(collected.not_stored->reason(), NotStored::INPUT_CHANGED);
  EXPECT_EQ(collected.not_stored->path(), "a.ts");
}

TEST_F(CollectNestedTest, ItsOutputsAreOutputs) {
  Write("dist/a.js", "made");
  Changed("dist/a.js", PreState::kMissing);
  Write("note.txt", "not declared");
  Changed("note.txt", PreState::kMissing);
  inner().outputs = {"dist/a.js"};
  EXPECT_THAT(Run().action.outputs, ElementsAre("dist/a.js"));
}

TEST_F(CollectNestedTest, OutputsThatWereThereAlreadyAreRestoredToo) {
  Write("dist/a.js", "made");
  inner().outputs = {"dist/a.js", "dist/gone.js"};
  Saw("dist/a.js", track::kContent);
  Saw("dist", track::kListing);
  const Collected collected = Run();
  EXPECT_THAT(collected.action.outputs, ElementsAre("dist/a.js"));
  const Observation* o = Find(collected, Observation::CONTENT, "dist/a.js");
  ASSERT_NE(o, nullptr);
  EXPECT_TRUE(o->rebuildable());
  EXPECT_EQ(Find(collected, Observation::LISTING, "dist"), nullptr);
}

TEST_F(CollectNestedTest, WhatWasMadeInsideIsNoInput) {
  Write("gen.ts", "made");
  InnerSaw(Observation::CONTENT, "gen.ts");
  InnerSaw(Observation::METADATA, "gen.ts");
  Changed("gen.ts", PreState::kMissing).by_nested = false;
  EXPECT_EQ(Names(Run()), "");
}

TEST_F(CollectNestedTest, WhatWasReplacedInsideIsNoInput) {
  Write("gen.ts", "made");
  InnerSaw(Observation::CONTENT, "gen.ts");
  Changed("gen.ts", PreState::kFile, "old");
  EXPECT_EQ(Names(Run()), "");
}

TEST_F(CollectNestedTest, WhatItSawBeforeAChangeIsAnInput) {
  Write("a.ts", "old");
  const Value old = InnerSaw(Observation::CONTENT, "a.ts").value;
  Write("a.ts", "new");
  Changed("a.ts", PreState::kFile, "old").by_nested = false;
  const Collected collected = Run();
  const Observation* o = Find(collected, Observation::CONTENT, "a.ts");
  ASSERT_NE(o, nullptr);
  EXPECT_FALSE(o->rebuildable());
  ASSERT_NE(Known(collected, *o), nullptr);
  EXPECT_TRUE(fingerprint::SameValue(*Known(collected, *o), old));
}

TEST_F(CollectNestedTest, InDoubtItIsAnInput) {
  Write("a.ts", "new");
  InnerSaw(Observation::CONTENT, "a.ts");
  Changed("a.ts", PreState::kFile).pre_digest.reset();
  EXPECT_EQ(Names(Run()), "CONTENT a.ts\n");
}

TEST_F(CollectNestedTest, WhatItProbedAndThenMadeIsRebuildable) {
  InnerSaw(Observation::EXISTENCE, "dist/a.js");
  Write("dist/a.js", "made");
  Changed("dist/a.js", PreState::kMissing);
  inner().outputs = {"dist/a.js"};
  const Collected collected = Run();
  const Observation* o = Find(collected, Observation::EXISTENCE, "dist/a.js");
  ASSERT_NE(o, nullptr);
  EXPECT_TRUE(o->rebuildable());
}

TEST_F(CollectNestedTest, ItsRebuildableInputsAreRebuildable) {
  Write("state", "new");
  Seen& seen = InnerSaw(Observation::CONTENT, "state");
  seen.observation.set_rebuildable(true);
  seen.value.Clear();
  seen.value.set_type(Value::REBUILDABLE);
  Changed("state", PreState::kFile, "own");
  inner().outputs = {"state"};
  own_path_ = "state";
  own_digest_ = fingerprint::Sha256("own");
  const Collected collected = Run();
  EXPECT_TRUE(Find(collected, Observation::CONTENT, "state")->rebuildable());
  // Somebody inside had removed what was there before: it is no input at all.
  own_digest_ = fingerprint::Sha256("another");
  EXPECT_EQ(Names(Run()), "");
}

TEST_F(CollectNestedTest, ListingsLeaveOutWhatWasMadeInside) {
  Write("src/a.ts", "");
  Write("src/cache", "ignored by the nested one");
  Seen& seen = InnerSaw(Observation::LISTING, "src");
  seen.observation.add_ignored("src/cache");
  Write("src/b.js", "made");
  Changed("src/b.js", PreState::kMissing).by_nested = false;
  const Collected collected = Run();
  const Observation* o = Find(collected, Observation::LISTING, "src");
  ASSERT_NE(o, nullptr);
  EXPECT_THAT(o->ignored(), ElementsAre("src/b.js", "src/cache"));
}

TEST_F(CollectNestedTest, ItsGlobsStandBesideTheActionsOwn) {
  Write("src/a.ts", "");
  auto* own = description_.mutable_input()->add_globs();
  own->set_pattern("other/**");
  globs_before_.emplace();
  globs_before_->set_type(Value::SET);
  Seen& seen = InnerSaw(Observation::GLOB, "");
  seen.observation.add_globs()->set_pattern("src/**");
  seen.value.set_type(Value::SET);
  seen.value.add_members()->set_name("src/a.ts");
  const Collected collected = Run();
  EXPECT_EQ(Names(collected), "GLOB \nGLOB \n");
  for (const Observation& o : collected.action.path_set.observations()) {
    ASSERT_NE(Known(collected, o), nullptr);
    EXPECT_EQ(Known(collected, o)->members_size(),
              o.globs(0).pattern() == "src/**" ? 1 : 0);
  }
}

TEST_F(CollectNestedTest, VariablesThatCountForItCount) {
  inner().env = {"MODE", "KEYED"};
  InnerSaw(Observation::ENV, "ASKED");
  InnerSaw(Observation::ENV_PREFIX, "VITE_");
  InnerSaw(Observation::TOOL_VALUE, "said");
  description_.add_env()->set_name("KEYED");
  untracked_ = {"MODE"};
  EXPECT_EQ(Names(Run()), "ENV ASKED\nENV MODE\nENV_PREFIX VITE_\n");
}

TEST_F(CollectNestedTest, DeclaredInputsAreNotAddedTo) {
  Write("a.ts", "");
  InnerSaw(Observation::CONTENT, "a.ts");
  InnerSaw(Observation::ENV, "ASKED");
  description_.mutable_input()->set_automatic(false);
  EXPECT_EQ(Names(Run()), "ENV ASKED\n");
}

TEST_F(CollectNestedTest, ExcludedPathsStayExcluded) {
  Write("log/a.txt", "");
  InnerSaw(Observation::CONTENT, "log/a.txt");
  auto* glob = description_.mutable_input()->add_globs();
  glob->set_pattern("log/**");
  glob->set_negative(true);
  EXPECT_EQ(Names(Run()), "");
}

TEST_F(CollectNestedTest, ItsDeletionsAreDeletions) {
  for (const char* path : {"declared", "cache"}) {
    Access& access = Changed(path, PreState::kFile, "old");
    access.is_output = false;
    access.is_deletion = true;
  }
  inner().deletions = {"declared"};
  const Collected collected = Run();
  ASSERT_EQ(collected.action.deletions.size(), 1u);
  EXPECT_EQ(collected.action.deletions[0].path(), "declared");
  EXPECT_EQ(Names(collected), "");
}

TEST_F(CollectNestedTest, PlanningCounts) {
  Write("package.json", "{}");
  InnerSaw(Observation::CONTENT, "package.json");
  nest_.planned = std::move(inner().seen);
  inner().seen.clear();
  EXPECT_EQ(Names(Run()), "CONTENT package.json\n");
}

TEST_F(CollectNestedTest, OneThatCountsInOneRootBindsTheOther) {
  EXPECT_FALSE(Run().action.root_only);
  inner().root_only = true;
  EXPECT_TRUE(Run().action.root_only);
}

TEST_F(CollectNestedTest, OneThatWasNotStoredSpoilsIt) {
  nest_.Spoil("app#build", "it failed");
  nest_.Spoil("app#other", "the first reason counts");
  const Collected collected = Run();
  ASSERT_TRUE(collected.not_stored.has_value());
  EXPECT_EQ(collected.not_stored->reason(), NotStored::INNER_NOT_STORED);
  EXPECT_EQ(collected.not_stored->text(), "nested `app#build`: it failed");
}

TEST_F(CollectNestedTest, OneThatGoesOnSpoilsIt) {
  nest_.open_runs = 1;
  EXPECT_TRUE(Run().not_stored.has_value());
}

TEST_F(CollectNestedTest, WhatNobodyKnowsOfSpoilsIt) {
  accesses_.daemon_callers = {41};
  nest_.callers = {41};
  EXPECT_FALSE(Run().not_stored.has_value());
  accesses_.daemon_callers = {41, 42};
  const Collected collected = Run();
  ASSERT_TRUE(collected.not_stored.has_value());
  EXPECT_THAT(collected.not_stored->text(), HasSubstr("[42]"));
}

}  // namespace
}  // namespace vt::run
