// SPDX-License-Identifier: Apache-2.0

#include "daemon/cache/action_cache.h"

#include <sys/stat.h>

#include <atomic>
#include <thread>

#include "daemon/fingerprint/observe.h"
#include "tests/unit/cache/cache_fixture.h"

namespace vt::cache {
namespace {

using test::IsOk;
using testing::HasSubstr;
using testing::IsEmpty;

TEST_F(CacheTest, AFirstRunHasNothingToCompareWith) {
  Workspace app(Clone("app"));
  EXPECT_EQ(Reasons(app), "first run");
}

TEST_F(CacheTest, AStoredResultHitsColdAndWarm) {
  Workspace app(Clone("app"));
  app.Write("src/a.ts", "one");
  app.Observes(Observation::CONTENT, "src/a.ts");
  app.Logs("built\n");
  app.Logs("warning\n", /*is_stderr=*/true);
  Store(&app);
  for (const bool is_cold : {false, true}) {
    if (is_cold) {
      Reopen();
    }
    const LookupResult result = cache_->Lookup(app.key);
    ASSERT_TRUE(result.hit.has_value());
    EXPECT_EQ(result.hit->result->duration_us(), 2'000'000);
    const absl::StatusOr<std::vector<LogChunk>> log =
        cache_->ReadLog(*result.hit);
    ASSERT_THAT(log, IsOk());
    ASSERT_EQ(log->size(), 2U);
    EXPECT_EQ((*log)[0].data(), "built\n");
    EXPECT_FALSE((*log)[0].is_stderr());
    EXPECT_TRUE((*log)[1].is_stderr());
  }
}

TEST_F(CacheTest, ALargeLogComesBack) {
  Workspace app(Clone("app"));
  const std::string text(100'000, 'x');
  app.Logs(text);
  Store(&app);
  const LookupResult result = cache_->Lookup(app.key);
  ASSERT_TRUE(result.hit.has_value());
  EXPECT_FALSE(result.hit->result->log_blob().empty());
  EXPECT_EQ((*cache_->ReadLog(*result.hit))[0].data(), text);
}

TEST_F(CacheTest, AChangedInputIsAMissThatNamesTheFile) {
  Workspace app(Clone("app"));
  app.Write("src/a.ts", "one");
  app.Observes(Observation::CONTENT, "src/a.ts");
  app.Observes(Observation::METADATA, "src/a.ts");
  Store(&app);
  app.Write("src/a.ts", "another");
  EXPECT_EQ(Reasons(app), "FILE CHANGED src/a.ts");
  app.Remove("src/a.ts");
  EXPECT_EQ(Reasons(app), "FILE REMOVED src/a.ts");
}

TEST_F(CacheTest, AlternatingContentsHitBothWays) {
  Workspace app(Clone("app"));
  app.Observes(Observation::CONTENT, "a.ts");
  for (const char* content : {"one", "two"}) {
    app.Write("a.ts", content);
    EXPECT_FALSE(Hits(app));
    Store(&app);
  }
  for (const char* content : {"one", "two", "one"}) {
    app.Write("a.ts", content);
    EXPECT_TRUE(Hits(app)) << content;
  }
}

TEST_F(CacheTest, TouchingAFileStillHits) {
  Workspace app(Clone("app"));
  app.Write("a.ts", "one");
  app.Observes(Observation::CONTENT, "a.ts");
  app.Observes(Observation::METADATA, "a.ts");
  Store(&app);
  std::filesystem::last_write_time(app.Path("a.ts"), {});
  EXPECT_TRUE(Hits(app));
}

TEST_F(CacheTest, AnAppearingMissingPathIsAMiss) {
  Workspace app(Clone("app"));
  app.Observes(Observation::CONTENT, "tsconfig.json");
  app.Observes(Observation::METADATA, "deep/er/x");
  Store(&app);
  EXPECT_TRUE(Hits(app));
  app.Write("tsconfig.json", "{}");
  EXPECT_EQ(Reasons(app), "FILE ADDED tsconfig.json");
  app.Remove("tsconfig.json");
  EXPECT_TRUE(Hits(app));
  app.Write("deep/er/x", "");
  EXPECT_EQ(Reasons(app), "FILE ADDED deep/er/x");
}

TEST_F(CacheTest, ListingsCountNamesAndKindsOnly) {
  Workspace app(Clone("app"));
  app.Write("src/a", "1");
  app.Write("src/b", "1");
  app.Observes(Observation::LISTING, "src");
  Store(&app);
  app.Write("src/a", "changed");
  EXPECT_TRUE(Hits(app));
  app.Write("src/c", "");
  EXPECT_EQ(Reasons(app), "FILE ADDED src/c");
  app.Remove("src/b");
  EXPECT_EQ(Reasons(app), "FILE REMOVED src/b; FILE ADDED src/c");
  app.Remove("src/c");
  std::filesystem::create_directory(app.Path("src/b"));
  EXPECT_EQ(Reasons(app), "FILE ADDED src/b");
  app.Remove("src");
  EXPECT_EQ(Reasons(app), "FILE REMOVED src");
}

TEST_F(CacheTest, IgnoredEntriesAndGitOfTheRootAreNotListed) {
  Workspace app(Clone("app"));
  app.Observes(Observation::LISTING, "")->add_ignored("dist");
  Store(&app);
  app.Write(".git/HEAD", "x");
  app.Write("dist/out.js", "x");
  EXPECT_TRUE(Hits(app));
  app.Write("packages/.git/HEAD", "x");
  EXPECT_EQ(Reasons(app), "FILE ADDED packages");
}

TEST_F(CacheTest, TrackedVariablesAndQueriesAreInputs) {
  Workspace app(Clone("app"));
  app.SetEnv({{"NODE_ENV", "production"}, {"VITE_A", "1"}, {"OTHER", "x"}});
  app.Observes(Observation::ENV, "NODE_ENV");
  app.Observes(Observation::ENV, "UNSET");
  app.Observes(Observation::ENV_PREFIX, "VITE_");
  app.Observes(Observation::ENV_GLOB, "V*E_?");
  Store(&app);
  app.SetEnv({{"NODE_ENV", "production"}, {"VITE_A", "1"}, {"OTHER", "y"}});
  EXPECT_TRUE(Hits(app));
  app.SetEnv({{"NODE_ENV", "test"}, {"VITE_A", "1"}});
  EXPECT_EQ(Reasons(app), "ENV CHANGED NODE_ENV");
  app.SetEnv({{"UNSET", ""}, {"VITE_B", "1"}});
  EXPECT_EQ(Reasons(app),
            "ENV REMOVED NODE_ENV; ENV ADDED UNSET; ENV REMOVED VITE_A; "
            "ENV ADDED VITE_B");
}

TEST_F(CacheTest, AToolValueIsConstant) {
  Workspace app(Clone("app"));
  app.Observes(Observation::TOOL_VALUE, "mode");
  Value value;
  value.set_type(Value::SET);
  value.set_digest("anything");
  app.finished.known_values[{Observation::TOOL_VALUE, "mode"}] = value;
  Store(&app);
  EXPECT_TRUE(Hits(app));
}

TEST_F(CacheTest, AnotherExecutedFileIsAnotherToolchain) {
  Workspace app(Clone("app"));
  Workspace tools(Clone("tools"));
  tools.Write("node", "v1");
  app.Observes(Observation::EXECUTED, tools.Path("node"));
  Store(&app);
  EXPECT_TRUE(Hits(app));
  tools.Write("node", "v2");
  EXPECT_EQ(Reasons(app), "TOOLCHAIN CHANGED " + tools.Path("node"));
}

// Those of the workspace are seen where they are looked for.
TEST_F(CacheTest, TheFirstProgramOnPathOutsideIsTheToolchain) {
  Workspace app(Clone("app"));
  Workspace old_tools(Clone("old"));
  Workspace new_tools(Clone("new"));
  const auto make = [](Workspace* tools, const std::string& content) {
    tools->Write("node", content);
    ASSERT_EQ(::chmod(tools->Path("node").c_str(), 0755), 0);
  };
  make(&old_tools, "v1");
  app.SetEnv({{"PATH", absl::StrCat(".:", app.Path(""), ":", new_tools.Path(""),
                                    ":", old_tools.Path(""))}});
  app.Observes(Observation::PROGRAM, "node");
  Store(&app);
  make(&app, "v3");
  EXPECT_TRUE(Hits(app));
  make(&new_tools, "v2");
  EXPECT_EQ(Reasons(app), "TOOLCHAIN CHANGED node");
  make(&new_tools, "v1");
  old_tools.Remove("node");
  EXPECT_TRUE(Hits(app));
  new_tools.Remove("node");
  EXPECT_EQ(Reasons(app), "TOOLCHAIN REMOVED node");
}

TEST_F(CacheTest, ExplicitInputsAreFoundAddedRemovedAndChanged) {
  Workspace app(Clone("app"));
  app.Write("src/a.ts", "1");
  app.Write("src/deep/b.ts", "1");
  app.Write("src/skip.ts", "1");
  Observation* globs = app.Observes(Observation::GLOB, "");
  globs->add_globs()->set_pattern("src/**/*.ts");
  auto* negative = globs->add_globs();
  negative->set_pattern("src/skip.ts");
  negative->set_negative(true);
  Store(&app);
  app.Write("src/skip.ts", "2");
  app.Write("src/c.js", "2");
  EXPECT_TRUE(Hits(app));
  app.Write("src/a.ts", "2");
  app.Write("src/new.ts", "2");
  app.Remove("src/deep");
  EXPECT_EQ(Reasons(app),
            "FILE CHANGED src/a.ts; FILE REMOVED src/deep/b.ts; "
            "FILE ADDED src/new.ts");
}

TEST_F(CacheTest, AnotherDescriptionIsExplainedByPosition) {
  Workspace app(Clone("app"));
  app.key.description.add_args("build");
  auto* variable = app.key.description.add_env();
  variable->set_name("MODE");
  Store(&app);
  app.key.description.set_args(0, "dev");
  app.key.description.mutable_env(0)->set_present(true);
  const LookupResult result = cache_->Lookup(app.key);
  EXPECT_TRUE(result.miss.partial);
  EXPECT_EQ(Reasons(app), "ARGS CHANGED ; ENV ADDED MODE");
  app.key.position = "app#other";
  EXPECT_EQ(Reasons(app), "first run");
}

TEST_F(CacheTest, EqualActionsAtOtherPositionsShare) {
  Workspace app(Clone("app"));
  Store(&app);
  app.key.position = "app#other";
  EXPECT_TRUE(Hits(app));
}

TEST_F(CacheTest, ClonesShareAResultThatDoesNotNameTheRoot) {
  Workspace one(Clone("one"));
  Workspace two(Clone("elsewhere/two"));
  for (Workspace* clone : {&one, &two}) {
    clone->Write("bin/tsc", "exec " + clone->Path("node_modules/tsc"));
    clone->Observes(Observation::CONTENT, "bin/tsc");
    clone->Observes(Observation::METADATA, "bin/tsc");
  }
  one.Write("dist/out.js", "1");
  one.finished.outputs = {"dist", "dist/out.js"};
  Store(&one);
  EXPECT_THAT(Restore(two), IsOk());
  EXPECT_EQ(two.Read("dist/out.js"), "1");
}

TEST_F(CacheTest, AResultThatNamesTheRootStaysThere) {
  Workspace one(Clone("one"));
  Workspace two(Clone("two"));
  one.Write("dist/map", "file://" + one.Path("src"));
  one.finished.outputs = {"dist/map"};
  Store(&one);
  EXPECT_TRUE(Hits(one));
  const LookupResult result = cache_->Lookup(two.key);
  EXPECT_FALSE(result.hit.has_value());
  EXPECT_TRUE(result.miss.first_run);

  // Both keep their own.
  two.Write("dist/map", "file://" + two.Path("src"));
  two.finished.outputs = {"dist/map"};
  Store(&two);
  for (Workspace* clone : {&one, &two}) {
    clone->Remove("dist");
    EXPECT_THAT(Restore(*clone), IsOk());
    EXPECT_EQ(clone->Read("dist/map"), "file://" + clone->Path("src"));
  }
}

TEST_F(CacheTest, ALogThatNamesTheRootAcrossChunksBindsIt) {
  Workspace one(Clone("one"));
  Workspace two(Clone("two"));
  const std::string text = "built " + one.key.root;
  one.Logs(text.substr(0, 10));
  one.Logs(text.substr(10));
  Store(&one);
  EXPECT_TRUE(Hits(one));
  EXPECT_FALSE(Hits(two));
}

TEST_F(CacheTest, OwnLeftoversAreRebuildable) {
  Workspace app(Clone("app"));
  app.Write("cache.json", "first");
  app.Observes(Observation::CONTENT, "cache.json")->set_rebuildable(true);
  app.Observes(Observation::METADATA, "cache.json")->set_rebuildable(true);
  app.finished.outputs = {"cache.json"};
  app.finished.own_changes = {"cache.json"};
  Store(&app);
  EXPECT_TRUE(Hits(app));
  app.Remove("cache.json");
  EXPECT_THAT(Restore(app), IsOk());
  EXPECT_EQ(app.Read("cache.json"), "first");
  app.Write("cache.json", "edited");
  EXPECT_EQ(Reasons(app), "FILE CHANGED cache.json");
  EXPECT_TRUE(
      cache_->IsOwnOutput(fingerprint::WeakFingerprint(app.key.description),
                          "cache.json", fingerprint::Sha256("first")));
  EXPECT_FALSE(
      cache_->IsOwnOutput(fingerprint::WeakFingerprint(app.key.description),
                          "cache.json", fingerprint::Sha256("edited")));
}

// Permissions are the action's own if nothing that stood there mattered.
TEST_F(CacheTest, PermissionsOfAnOutputAreRemembered) {
  Workspace app(Clone("app"));
  app.Write("out", "made");
  app.Write("kept", "made");
  std::filesystem::create_directory(app.Path("dist"));
  ASSERT_EQ(::chmod(app.Path("out").c_str(), 0755), 0);
  ASSERT_EQ(::chmod(app.Path("kept").c_str(), 0755), 0);
  ASSERT_EQ(::chmod(app.Path("dist").c_str(), 0700), 0);
  app.Observes(Observation::EXISTENCE, "kept");
  app.finished.outputs = app.finished.own_changes = {"dist", "kept", "out"};
  Store(&app);
  const base::Digest weak = fingerprint::WeakFingerprint(app.key.description);
  EXPECT_TRUE(cache_->IsOwnMode(weak, "out", 0755));
  EXPECT_FALSE(cache_->IsOwnMode(weak, "out", 0644));
  EXPECT_FALSE(cache_->IsOwnMode(weak, "kept", 0755));
  EXPECT_TRUE(cache_->IsOwnMode(weak, "dist", 0700));
  // Another time with others: both are.
  ASSERT_EQ(::chmod(app.Path("out").c_str(), 0644), 0);
  Store(&app);
  EXPECT_TRUE(cache_->IsOwnMode(weak, "out", 0755));
  EXPECT_TRUE(cache_->IsOwnMode(weak, "out", 0644));
}

// What came into the way since is not what the action was told.
TEST_F(CacheTest, AMissingPathIsStoredAsItWasFound) {
  Workspace app(Clone("app"));
  app.Observes(Observation::EXISTENCE, "lib/x");
  app.finished.found["lib/x"] = Found::kMissing;
  app.Write("lib", "made");
  app.finished.outputs = app.finished.own_changes = {"lib"};
  Store(&app);
  EXPECT_FALSE(Hits(app));
  app.Remove("lib");
  EXPECT_TRUE(Hits(app));
  std::filesystem::create_symlink("lib", app.Path("lib"));
  EXPECT_FALSE(Hits(app));  // ELOOP
}

// A source that is formatted in place, again and again.
TEST_F(CacheTest, WhatWasMadeOutOfGivenContentIsNotOwn) {
  Workspace app(Clone("app"));
  app.Write("a.ts", "formatted");
  app.Observes(Observation::CONTENT, "a.ts");
  Value before;
  before.set_type(Value::FILE);
  before.set_digest(std::string(fingerprint::Sha256("raw").AsBytes()));
  app.finished.known_values[{Observation::CONTENT, "a.ts"}] = before;
  app.finished.own_changes = {"a.ts"};
  app.finished.outputs = {"a.ts"};
  Store(&app);
  EXPECT_FALSE(
      cache_->IsOwnOutput(fingerprint::WeakFingerprint(app.key.description),
                          "a.ts", fingerprint::Sha256("formatted")));
}

TEST_F(CacheTest, AnExtraEntryInARefilledDirectoryHits) {
  Workspace app(Clone("app"));
  app.Write("dist/a", "1");
  app.Observes(Observation::LISTING, "dist")->set_rebuildable(true);
  app.finished.outputs = {"dist", "dist/a"};
  Store(&app);
  app.Write("dist/extra", "x");
  EXPECT_THAT(Restore(app), IsOk());
  app.Remove("dist");
  EXPECT_THAT(Restore(app), IsOk());
  EXPECT_EQ(app.Read("dist/a"), "1");
}

TEST_F(CacheTest, AKnownValueOverridesTheDisk) {
  Workspace app(Clone("app"));
  app.Write("a.ts", "formatted");
  app.Observes(Observation::CONTENT, "a.ts");
  Value before;
  before.set_type(Value::FILE);
  const base::Digest digest = fingerprint::Sha256("raw");
  before.set_digest(std::string(digest.AsBytes()));
  app.finished.known_values[{Observation::CONTENT, "a.ts"}] = before;
  app.finished.own_changes = {"a.ts"};
  Store(&app);
  EXPECT_FALSE(Hits(app));
  app.Write("a.ts", "raw");
  EXPECT_TRUE(Hits(app));
}

TEST_F(CacheTest, TheOrderOfObservationsDoesNotMatter) {
  Workspace app(Clone("app"));
  app.Observes(Observation::CONTENT, "b");
  app.Observes(Observation::CONTENT, "a");
  app.Observes(Observation::CONTENT, "b");
  Store(&app);
  Workspace other(Clone("other"));
  other.Observes(Observation::CONTENT, "a");
  other.Observes(Observation::CONTENT, "b");
  Store(&other);
  EXPECT_EQ(cache_->Lookup(app.key).hit->strong,
            cache_->Lookup(other.key).hit->strong);
}

TEST_F(CacheTest, OnlyTheLatestPathSetsAreKept) {
  Workspace app(Clone("app"));
  for (int i = 0; i <= 16; ++i) {
    app.finished.path_set.Clear();
    app.Observes(Observation::ENV, absl::StrCat("V", i));
    app.SetEnv({{absl::StrCat("V", i), "1"}});
    Store(&app);
  }
  app.SetEnv({{"V16", "1"}});
  EXPECT_TRUE(Hits(app));
  app.SetEnv({{"V1", "1"}});
  EXPECT_TRUE(Hits(app));
  app.SetEnv({{"V0", "1"}});
  EXPECT_FALSE(Hits(app));
}

TEST_F(CacheTest, AfterCleanEverythingIsAFirstRun) {
  Workspace app(Clone("app"));
  app.Write("dist/big", std::string(5000, 'x'));
  app.finished.outputs = {"dist/big"};
  Store(&app);
  EXPECT_THAT(cache_->Clean(), IsOk());
  EXPECT_EQ(Reasons(app), "first run");
  EXPECT_TRUE(std::filesystem::is_empty(Directory() + "/blobs"));
  Store(&app);
  app.Remove("dist");
  EXPECT_THAT(Restore(app), IsOk());
  EXPECT_EQ(app.Read("dist/big").size(), 5000U);
}

TEST_F(CacheTest, AClosedCacheMissesAndStoresNothing) {
  Workspace app(Clone("app"));
  Store(&app);
  cache_->Close();
  cache_->Close();
  EXPECT_FALSE(Hits(app));
  app.Starts();
  const std::optional<NotStored> why = cache_->Store(app.key, app.finished);
  ASSERT_TRUE(why.has_value());
  EXPECT_EQ(why->reason(), NotStored::STORE_FAILED);
  EXPECT_FALSE(cache_->Clean().ok());
  EXPECT_EQ(cache_->files().Look(app.key.root, app.key.root, false, false).type,
            Value::DIRECTORY);
}

TEST_F(CacheTest, ManyThreadsAndACloseInTheMiddle) {
  std::vector<std::unique_ptr<Workspace>> clones;
  for (int i = 0; i < 4; ++i) {
    clones.push_back(
        std::make_unique<Workspace>(Clone(absl::StrCat("clone", i))));
    clones.back()->Write("a.ts", "same");
    clones.back()->Write("dist/out", std::string(5000, 'x'));
    clones.back()->Observes(Observation::CONTENT, "a.ts");
    clones.back()->finished.outputs = {"dist", "dist/out"};
    clones.back()->Starts();
  }
  std::atomic<int> hits = 0;
  std::vector<std::thread> threads;
  for (std::unique_ptr<Workspace>& clone : clones) {
    threads.emplace_back([&] {
      for (int i = 0; i < 20; ++i) {
        cache_->Store(clone->key, clone->finished);
        const LookupResult result = cache_->Lookup(clone->key);
        std::vector<std::string> notes;
        if (result.hit.has_value()) {
          ++hits;
          cache_->Restore(clone->key, *result.hit, &notes).IgnoreError();
        }
      }
    });
  }
  while (hits < 10) {
    std::this_thread::yield();
  }
  cache_->Close();
  for (std::thread& thread : threads) {
    thread.join();
  }
  Reopen();
  EXPECT_TRUE(Hits(*clones[0]));
}

TEST_F(CacheTest, ADamagedDatabaseIsReplacedWithANotice) {
  Workspace app(Clone("app"));
  Store(&app);
  cache_->Close();
  std::ofstream(Directory() + "/db/CURRENT") << "nonsense";
  Reopen();
  EXPECT_THAT(cache_->notice(), HasSubstr("damaged"));
  EXPECT_EQ(Reasons(app), "first run");
  Store(&app);
  EXPECT_TRUE(Hits(app));
}

}  // namespace
}  // namespace vt::cache
