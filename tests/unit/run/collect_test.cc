// SPDX-License-Identifier: Apache-2.0

#include "daemon/run/collect.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "daemon/fingerprint/observe.h"
#include "daemon/fingerprint/sink.h"
#include "tests/unit/run/collect_fixture.h"

namespace vt::run {
namespace {

namespace storage = vtask::storage::v1;
using storage::Observation;
using storage::Value;
using testing::ElementsAre;
using testing::IsEmpty;
using track::Access;
using track::PreState;
using vtask::v1::NotStored;

TEST_F(CollectTest, ReadsBecomeInputsAndWritesOutputs) {
  Write("src/a.ts", "a");
  Write("dist/a.js", "a");
  Saw("src/a.ts", track::kContent | track::kMetadata);
  Made("dist/a.js");
  const Collected collected = Run();
  EXPECT_FALSE(collected.not_stored.has_value());
  // Without the directory writing would fail.
  EXPECT_EQ(Names(collected), "CONTENT src/a.ts\nEXISTENCE dist\n");
  EXPECT_THAT(collected.action.outputs, ElementsAre("dist/a.js"));
}

// Seen with mkdir, which is done again if it is missing.
TEST_F(CollectTest, ADirectoryThatTheActionEnsuresMayBeMissing) {
  Write("dist/a.js", "a");
  Write("dist/hand.txt", "h");
  Saw("dist", track::kExistence).ensured_mode = 0755;
  Made("dist/a.js");
  EXPECT_TRUE(Find(Run(), Observation::EXISTENCE, "dist")->rebuildable());
}

// A hit would make it as readable as the umask allows.
TEST_F(CollectTest, ADirectoryWithPermissionsOfItsOwnMayNotBeMissing) {
  Write("dist/a.js", "a");
  Write("dist/hand.txt", "h");
  Saw("dist", track::kExistence).ensured_mode = 0700;
  Made("dist/a.js");
  EXPECT_FALSE(Find(Run(), Observation::EXISTENCE, "dist")->rebuildable());
}

// Removed to make the directory: next time there is none, and it says so.
TEST_F(CollectTest, AFileInTheWayOfADirectoryIsAnInput) {
  Write("dist/a.js", "a");
  Access& directory = Saw("dist", track::kExistence);
  directory.mutated = directory.is_output = directory.is_ensured = true;
  directory.pre_state = PreState::kFile;
  directory.pre_digest = fingerprint::Sha256("mine");
  Made("dist/a.js");
  const Collected collected = Run();
  EXPECT_FALSE(Find(collected, Observation::EXISTENCE, "dist")->rebuildable());
  EXPECT_EQ(
      collected.action.known_values.at({Observation::EXISTENCE, "dist"}).type(),
      Value::FILE);
}

// mkdir failed; then all of `dist` was cleared away and made anew.
TEST_F(CollectTest, AFileThatWasToldOfBeforeItWasClearedAwayIsAnInput) {
  Write("dist/a.js", "a");
  Saw("dist", track::kExistence).is_ensured = true;
  Made("dist/a.js");
  Access& file = Saw("dist/deep", track::kExistence);
  file.mutated = file.is_deletion = true;
  file.pre_state = PreState::kFile;
  file.pre_digest = fingerprint::Sha256("mine");
  EXPECT_EQ(Find(Run(), Observation::CONTENT, "dist/deep"), nullptr);
  file.is_ensured = true;
  EXPECT_NE(Find(Run(), Observation::CONTENT, "dist/deep"), nullptr);
}

// A directory would not have let it; then all of `dist` was cleared away.
TEST_F(CollectTest, AFileThatWasReplacedBeforeItWasClearedAwayIsAnInput) {
  Write("dist/a.js", "a");
  Saw("dist", track::kExistence).is_ensured = true;
  Made("dist/a.js");
  Access& file = Saw("dist/deep", 0);
  file.mutated = file.is_deletion = true;
  file.pre_state = PreState::kFile;
  EXPECT_EQ(Find(Run(), Observation::EXISTENCE, "dist/deep"), nullptr);
  file.is_overwritten = true;
  EXPECT_NE(Find(Run(), Observation::EXISTENCE, "dist/deep"), nullptr);
  file.pre_digest = fingerprint::Sha256("mine");
  EXPECT_NE(Find(Run(), Observation::CONTENT, "dist/deep"), nullptr);
}

// As `fs.mkdirSync(…, { recursive: true })`: the last one first.
TEST_F(CollectTest, AboveADirectoryThatTheActionEnsuresNothingNeedsToBe) {
  Write("dist/a.js", "a");
  Write("dist/sub/hand.txt", "h");
  Access& directory = Saw("dist/sub", track::kExistence);
  directory.ensured_mode = 0755;
  directory.makes_parents = true;
  Made("dist/a.js");
  EXPECT_TRUE(Find(Run(), Observation::EXISTENCE, "dist")->rebuildable());
}

// `mkdir dist/sub` fails without `dist`.
TEST_F(CollectTest, AboveASingleDirectoryItMustBeThere) {
  Write("dist/a.js", "a");
  Write("dist/sub/hand.txt", "h");
  Saw("dist/sub", track::kExistence).ensured_mode = 0755;
  Made("dist/a.js");
  EXPECT_FALSE(Find(Run(), Observation::EXISTENCE, "dist")->rebuildable());
}

// O_TRUNC leaves the permissions alone.
TEST_F(CollectTest, AFileThatGaveAnOutputItsPermissionsMustBeThere) {
  Write("dist/a.js", "a");
  Kept("dist/a.js", /*before=*/0755, /*new_mode=*/0644);
  const Collected collected = Run();
  EXPECT_FALSE(
      Find(collected, Observation::EXISTENCE, "dist/a.js")->rebuildable());
  const auto known =
      collected.action.known_values.at({Observation::EXISTENCE, "dist/a.js"});
  EXPECT_EQ(known.type(), Value::FILE);
  EXPECT_EQ(known.mode(), 0100U);
}

TEST_F(CollectTest, AFileWithThePermissionsOfANewOneNeedNotBeThere) {
  Write("dist/a.js", "a");
  Kept("dist/a.js", /*before=*/0644, /*new_mode=*/0644);
  EXPECT_EQ(Find(Run(), Observation::EXISTENCE, "dist/a.js"), nullptr);
}

// Nor if it was an earlier output, and somebody else gave it others since.
TEST_F(CollectTest, AnEarlierOutputThatGaveItsPermissionsMustBeThere) {
  Write("dist/a.js", "a");
  Access& kept = Kept("dist/a.js", /*before=*/0755, /*new_mode=*/0644);
  kept.observed = track::kMetadata;
  kept.pre_digest = own_digest_ = fingerprint::Sha256("earlier");
  own_path_ = "dist/a.js";
  EXPECT_FALSE(Find(Run(), Observation::METADATA, "dist/a.js")->rebuildable());
  kept.new_mode = 0755;
  EXPECT_TRUE(Find(Run(), Observation::METADATA, "dist/a.js")->rebuildable());
}

// `chmod +x` says what it will say of a new file; `chmod a+X` may not.
TEST_F(CollectTest, PermissionsThatTheActionAlwaysSetsAreItsOwn) {
  Write("dist/a.js", "a");
  Access& kept = Kept("dist/a.js", /*before=*/0755, /*new_mode=*/0644);
  kept.set_mode = 0755;
  EXPECT_NE(Find(Run(), Observation::EXISTENCE, "dist/a.js"), nullptr);
  own_path_ = "dist/a.js";
  own_mode_ = 0755;
  EXPECT_EQ(Find(Run(), Observation::EXISTENCE, "dist/a.js"), nullptr);
  // Set by somebody else: what the action once did does not matter.
  kept.set_mode.reset();
  EXPECT_NE(Find(Run(), Observation::EXISTENCE, "dist/a.js"), nullptr);
}

// ENOTDIR is another answer than ENOENT, and a hit could restore nothing there.
TEST_F(CollectTest, WhatWasMissingBehindAFileIsKnownToHaveBeen) {
  Write("dist/a.js", "a");
  Access& made = Saw("dist/a.js", track::kExistence);
  made.mutated = made.is_output = made.missing = made.is_blocked = true;
  made.pre_state = PreState::kMissing;
  Access& looked = Saw("lib/x", track::kExistence);
  looked.missing = looked.is_blocked = true;
  const Collected collected = Run();
  EXPECT_FALSE(
      Find(collected, Observation::EXISTENCE, "dist/a.js")->rebuildable());
  EXPECT_EQ(
      collected.action.known_values.at({Observation::EXISTENCE, "dist/a.js"})
          .mode(),
      fingerprint::kBlocked);
  EXPECT_EQ(collected.action.found.at("lib/x"), cache::Found::kBlocked);
}

// Somebody may remove it before the result is stored.
TEST_F(CollectTest, WhatWasListedIsKnownToHaveBeenThere) {
  Saw("src", track::kListing);
  const Collected collected = Run();
  EXPECT_NE(Find(collected, Observation::LISTING, "src"), nullptr);
  EXPECT_EQ(collected.action.found.at("src"), cache::Found::kThere);
}

TEST_F(CollectTest, AnOutputThatOthersHaveChangedIsNotStored) {
  Write("dist/a.js", "a");
  Made("dist/a.js").changed_by_others = true;
  const Collected collected = Run();
  ASSERT_TRUE(collected.not_stored.has_value());
  EXPECT_EQ(collected.not_stored->reason(),
            vtask::v1::NotStored::OUTPUT_CHANGED);
  EXPECT_EQ(collected.not_stored->path(), "dist/a.js");
  // Where outputs are declared only those matter.
  description_.mutable_output()->set_automatic(false);
  EXPECT_FALSE(Run().not_stored.has_value());
}

TEST_F(CollectTest, ADirectoryThatTheActionOnceMadeMayBeMissing) {
  Write("dist/a.js", "a");
  Access& made = Saw("dist/a.js", 0);
  made.mutated = made.is_output = true;
  made.pre_state = PreState::kFile;
  EXPECT_FALSE(Find(Run(), Observation::EXISTENCE, "dist")->rebuildable());
  own_path_ = "dist";
  own_digest_ = fingerprint::DirectoryDigest();
  own_mode_ = 0700;  // not what a hit gives it
  EXPECT_FALSE(Find(Run(), Observation::EXISTENCE, "dist")->rebuildable());
  own_mode_ = 0755;
  EXPECT_TRUE(Find(Run(), Observation::EXISTENCE, "dist")->rebuildable());
}

TEST_F(CollectTest, FilesOutsideTheWorkspaceCountOnlyIfExecuted) {
  Saw("/etc/passwd", track::kContent);
  Saw("/usr/bin/true", track::kContent | track::kExecuted);
  EXPECT_EQ(Names(Run()), "EXECUTED /usr/bin/true\n");
}

// The link may be turned to another version.
TEST_F(CollectTest, ProgramsCountByTheNameThatWasExecutedToo) {
  Saw("/opt/node-24/bin/node", track::kContent | track::kExecuted);
  accesses_.linked_programs = {"/opt/node/bin/node", root_ + "/bin/node"};
  EXPECT_EQ(Names(Run()),
            "EXECUTED /opt/node-24/bin/node\nEXECUTED /opt/node/bin/node\n");
}

TEST_F(CollectTest, RepositoryMetadataNeverCounts) {
  Write(".git/HEAD", "x");
  Write("packages/a/.git/HEAD", "x");
  Saw(".git/HEAD", track::kContent);
  Saw("packages/a/.git/HEAD", track::kContent);
  EXPECT_EQ(Names(Run()), "CONTENT packages/a/.git/HEAD\n");
}

TEST_F(CollectTest, OwnOutputsAreLeftOutOfAListedParent) {
  Write("dist/a.js", "a");
  Write("keep.txt", "k");
  Saw("", track::kListing);
  Access& directory = Saw("dist", 0);
  directory.mutated = directory.is_output = true;
  Access& made = Saw("dist/a.js", 0);
  made.mutated = made.is_output = true;
  const Collected collected = Run();
  const Observation* listing = Find(collected, Observation::LISTING, "");
  ASSERT_NE(listing, nullptr);
  EXPECT_THAT(listing->ignored(), ElementsAre("dist"));
}

// R-CACHE-16: an emptied and refilled directory, extra entries or not.
TEST_F(CollectTest, DirectoryOfOwnOutputsIsNoInput) {
  Write("dist/a.js", "a");
  Saw("dist", track::kListing | track::kMetadata);
  Access& made = Saw("dist/a.js", 0);
  made.mutated = made.is_output = true;
  made.pre_state = PreState::kFile;
  const Collected collected = Run();
  // Missing or a directory: never something else.
  EXPECT_EQ(Names(collected), "EXISTENCE dist\n");
  EXPECT_TRUE(Find(collected, Observation::EXISTENCE, "dist")->rebuildable());
  EXPECT_THAT(collected.action.refilled, ElementsAre("dist"));
}

TEST_F(CollectTest, DirectoryInThePlaceOfAFileIsNotTakenForGranted) {
  Write("dist/out", "1");
  Access& dist = Saw("dist", track::kExistence);
  dist.mutated = dist.is_output = true;
  dist.pre_state = PreState::kFile;
  dist.pre_digest = fingerprint::Sha256("the user's");
  Access& out = Saw("dist/out", 0);
  out.mutated = out.is_output = true;
  out.pre_state = PreState::kMissing;
  const Collected collected = Run();
  const Observation* seen = Find(collected, Observation::EXISTENCE, "dist");
  ASSERT_NE(seen, nullptr);
  EXPECT_FALSE(seen->rebuildable());
  const auto known =
      collected.action.known_values.find(cache::KnownValueKey(*seen));
  ASSERT_NE(known, collected.action.known_values.end());
  EXPECT_EQ(known->second.type(), Value::FILE);
}

TEST_F(CollectTest, DirectoryWithForeignEntriesStaysAnInput) {
  Write("dist/a.js", "a");
  Write("dist/hand.txt", "h");
  Saw("dist", track::kListing);
  Access& made = Saw("dist/a.js", 0);
  made.mutated = made.is_output = true;
  const Observation* listing = Find(Run(), Observation::LISTING, "dist");
  EXPECT_NE(listing, nullptr);
}

// Every source is rewritten, but a new one must be noticed.
TEST_F(CollectTest, DirectoryOfRewrittenSourcesStaysAnInput) {
  Write("src/a.ts", "formatted");
  Saw("src", track::kListing);
  Access& source = Saw("src/a.ts", track::kContent);
  source.mutated = source.is_output = true;
  source.pre_state = PreState::kFile;
  source.pre_digest = fingerprint::Sha256("raw");
  const Collected collected = Run();
  EXPECT_EQ(Names(collected), "CONTENT src/a.ts\nEXISTENCE src\nLISTING src\n");
  EXPECT_THAT(collected.action.refilled, IsEmpty());
}

// Decisions H4.
TEST_F(CollectTest, ProbedThenCreatedIsRebuildable) {
  Write("cache.json", "1");
  Access& access = Saw("cache.json", track::kContent);
  access.mutated = access.is_output = true;
  access.pre_state = PreState::kMissing;
  const Collected collected = Run();
  const Observation* o = Find(collected, Observation::CONTENT, "cache.json");
  ASSERT_NE(o, nullptr);
  EXPECT_TRUE(o->rebuildable());
}

TEST_F(CollectTest, RewrittenSourceIsAnOrdinaryInputWithItsOldContent) {
  Write("a.ts", "formatted");
  const base::Digest before = fingerprint::Sha256("unformatted");
  Access& access = Saw("a.ts", track::kContent);
  access.mutated = access.is_output = true;
  access.pre_state = PreState::kFile;
  access.pre_digest = before;
  const Collected collected = Run();
  const Observation* o = Find(collected, Observation::CONTENT, "a.ts");
  ASSERT_NE(o, nullptr);
  EXPECT_FALSE(o->rebuildable());
  const Value& value =
      collected.action.known_values.at({Observation::CONTENT, "a.ts"});
  EXPECT_EQ(base::Digest::FromBytes(value.digest()), before);
}

// It counts with the content it had, not as missing: see
// cache::FinishedAction::leftovers.
TEST_F(CollectTest, RewrittenOwnOutputIsALeftover) {
  Write("state", "2");
  own_path_ = "state";
  own_digest_ = fingerprint::Sha256("1");
  Access& access = Saw("state", track::kContent);
  access.mutated = access.is_output = true;
  access.pre_state = PreState::kFile;
  access.pre_digest = own_digest_;
  const Collected collected = Run();
  EXPECT_FALSE(Find(collected, Observation::CONTENT, "state")->rebuildable());
  EXPECT_THAT(collected.action.leftovers, ElementsAre("state"));
  const Value& before =
      collected.action.known_values.at({Observation::CONTENT, "state"});
  EXPECT_EQ(base::Digest::FromBytes(before.digest()), own_digest_);
}

// Tool-ipc D10: what a hit would not bring back must be there, unchanged.
TEST_F(CollectTest, ReadAndChangedButNotRestoredIsNotStored) {
  Write("state", "2");
  reports_.ignored_outputs.push_back({root_ + "/state", {}});
  Access& access = Saw("state", track::kContent);
  access.mutated = access.is_output = true;
  access.pre_state = PreState::kMissing;
  const Collected collected = Run();
  ASSERT_TRUE(collected.not_stored.has_value());
  EXPECT_EQ(collected.not_stored->path(), "state");
}

TEST_F(CollectTest, RewrittenAsItWasAndNotRestoredIsAnOrdinaryInput) {
  Write("state", "2");
  reports_.ignored_outputs.push_back({root_ + "/state", {}});
  Access& access = Saw("state", track::kContent);
  access.mutated = access.is_output = true;
  access.pre_state = PreState::kFile;
  access.pre_digest = files_.Look(root_, root_ + "/state", false, true).content;
  const Collected collected = Run();
  EXPECT_FALSE(collected.not_stored.has_value());
  EXPECT_FALSE(Find(collected, Observation::CONTENT, "state")->rebuildable());
  EXPECT_THAT(collected.action.outputs, IsEmpty());
}

TEST_F(CollectTest, UnknownOldContentIsNotStored) {
  Write("big", "2");
  Access& access = Saw("big", track::kContent);
  access.mutated = access.is_output = true;
  access.pre_state = PreState::kFile;
  const Collected collected = Run();
  ASSERT_TRUE(collected.not_stored.has_value());
  EXPECT_EQ(collected.not_stored->reason(), NotStored::DEVICE_OR_LIMIT);
}

TEST_F(CollectTest, DeletionOfAGivenFileIsRecorded) {
  Access& access = Saw("old.js", 0);
  access.mutated = access.is_deletion = true;
  access.pre_state = PreState::kFile;
  access.pre_digest = fingerprint::Sha256("x");
  const Collected collected = Run();
  ASSERT_EQ(collected.action.deletions.size(), 1u);
  EXPECT_EQ(collected.action.deletions[0].path(), "old.js");
  // And is an input: with another content there, the action runs.
  EXPECT_EQ(Names(collected), "CONTENT old.js\n");
  const Value& value =
      collected.action.known_values.at({Observation::CONTENT, "old.js"});
  EXPECT_EQ(base::Digest::FromBytes(value.digest()), access.pre_digest);
}

TEST_F(CollectTest, DeletionOfALinkOrDirectoryIsNotStored) {
  Access& access = Saw("old", 0);
  access.mutated = access.is_deletion = true;
  for (const PreState state : {PreState::kSymlink, PreState::kDirectory}) {
    access.pre_state = state;
    const Collected collected = Run();
    ASSERT_TRUE(collected.not_stored.has_value());
    EXPECT_EQ(collected.not_stored->path(), "old");
  }
}

TEST_F(CollectTest, IgnoredPathsAreNeitherInputsNorOutputs) {
  Write("tmp/x", "1");
  reports_.ignored_inputs.push_back({root_ + "/tmp", {}});
  reports_.ignored_outputs.push_back({root_ + "/tmp", {}});
  Access& access = Saw("tmp/x", track::kContent);
  access.mutated = access.is_output = true;
  access.pre_state = PreState::kFile;
  const Collected collected = Run();
  EXPECT_FALSE(collected.not_stored.has_value());
  EXPECT_EQ(Names(collected), "");
  EXPECT_THAT(collected.action.outputs, IsEmpty());
}

TEST_F(CollectTest, TrackedNamesBecomeInputsUnlessTheUserSaysNo) {
  using Kind = ipc::EnvReport::Kind;
  reports_.env = {{Kind::kName, "A", true, {}},
                  {Kind::kName, "QUIET", false, {}},
                  {Kind::kName, "MINE", true, {}},
                  {Kind::kName, "KEYED", true, {}},
                  {Kind::kPrefix, "VITE_", true, {}}};
  untracked_ = {"MI*"};
  description_.add_env()->set_name("KEYED");
  EXPECT_EQ(Names(Run()), "ENV A\nENV_PREFIX VITE_\n");
}

TEST_F(CollectTest, DotenvReferencesAreTracked) {
  Write(".env", "VITE_X=$SECRET $MINE\n");
  untracked_ = {"MINE"};
  Saw(".env", track::kContent);
  const Collected collected = Run();
  EXPECT_EQ(Names(collected), "CONTENT .env\nENV SECRET\n");
  EXPECT_THAT(collected.notes, testing::SizeIs(1));
}

ipc::ToolOrigin Node42() {
  ipc::ToolOrigin origin;
  origin.pid = 42;
  origin.argv0 = "node";
  return origin;
}

TEST_F(CollectTest, OptOutIsHonouredAndNamesWhoAsked) {
  reports_.opt_outs.push_back({"", "tool.js:3", Node42()});
  const Collected collected = Run();
  ASSERT_TRUE(collected.not_stored.has_value());
  EXPECT_EQ(collected.not_stored->reason(), NotStored::TOOL_OPTED_OUT);
  EXPECT_EQ(collected.not_stored->origin(), "tool.js:3, node [42]");
}

// Tool-ipc D5: `vitest run` constructs a server and never serves.
TEST_F(CollectTest, VitesOptOutCountsOnlyIfThatProcessListened) {
  reports_.opt_outs.push_back(
      {"", "/w/node_modules/vite/dist/node/chunk.js:1:2", Node42()});
  EXPECT_FALSE(Run().not_stored.has_value());
  accesses_.listeners = {41};
  EXPECT_FALSE(Run().not_stored.has_value());
  accesses_.listeners = {42};
  EXPECT_TRUE(Run().not_stored.has_value());
}

TEST_F(CollectTest, OptOutCanBeOverruledByTheUser) {
  description_.set_honor_opt_out(false);
  reports_.opt_outs.push_back({"", "tool.js:3", Node42()});
  const Collected collected = Run();
  EXPECT_FALSE(collected.not_stored.has_value());
  EXPECT_THAT(collected.notes, testing::SizeIs(1));
}

TEST_F(CollectTest, FlawsAndBrokenTalkAreNotStored) {
  accesses_.flaws.push_back({NotStored::FOREIGN_ABI, "32-bit program", "/x"});
  EXPECT_EQ(Run().not_stored->reason(), NotStored::FOREIGN_ABI);
  reports_.protocol_error = "frame of 0 bytes";
  EXPECT_EQ(Run().not_stored->reason(), NotStored::TOOL_ERROR);
}

TEST_F(CollectTest, FlawOfAPathThatDoesNotCountIsNone) {
  accesses_.flaws.push_back(
      {NotStored::INPUT_CHANGED, "changed:", root_ + "/.git/index"});
  accesses_.flaws.push_back({NotStored::INPUT_CHANGED, "changed:", "/tmp/x"});
  accesses_.flaws.push_back(
      {NotStored::INPUT_CHANGED, "changed:", root_ + "/dist/a"});
  EXPECT_TRUE(Run().not_stored.has_value());
  reports_.ignored_inputs.push_back({root_ + "/dist", {}});
  EXPECT_FALSE(Run().not_stored.has_value());
  accesses_.flaws.push_back(
      {NotStored::DEVICE_OR_LIMIT, "too large:", root_ + "/dist/a"});
  EXPECT_TRUE(Run().not_stored.has_value());
}

TEST_F(CollectTest, WhatGoesOnRunningIsNotStored) {
  accesses_.has_stragglers = true;
  EXPECT_EQ(Run().not_stored->reason(), NotStored::TRACKING_INCOMPLETE);
}

TEST_F(CollectTest, DeclaredFilesNeedNoTracking) {
  description_.mutable_input()->set_automatic(false);
  description_.mutable_output()->set_automatic(false);
  storage::Glob* glob = description_.mutable_output()->add_globs();
  glob->set_pattern("dist/**");
  Write("dist/a.js", "a");
  accesses_.flaws.push_back({NotStored::FOREIGN_ABI, "32-bit program", "/x"});
  const Collected collected = Run();
  EXPECT_FALSE(collected.not_stored.has_value());
  EXPECT_THAT(collected.action.outputs, ElementsAre("dist/a.js"));
}

}  // namespace
}  // namespace vt::run
