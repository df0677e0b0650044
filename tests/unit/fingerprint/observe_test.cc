// SPDX-License-Identifier: Apache-2.0

#include "daemon/fingerprint/observe.h"

#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <set>

#include "absl/strings/str_cat.h"
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "daemon/fingerprint/glob_walk.h"
#include "tests/support/temp_dir.h"

namespace vt::fingerprint {
namespace {

using testing::ElementsAre;
using vtask::storage::v1::Observation;
using vtask::storage::v1::PathSet;
using vtask::storage::v1::Value;
using vtask::storage::v1::WeakDescription;
using vtask::v1::Difference;

class ObserveTest : public testing::Test {
 protected:
  ObserveTest() {
    world_.root = dir_.path().string();
    world_.files = &files_;
    world_.env = &env_;
  }
  std::string Path(const std::string& name) const {
    return (dir_.path() / name).string();
  }
  void Write(const std::string& name, const std::string& content) const {
    std::filesystem::create_directories((dir_.path() / name).parent_path());
    std::ofstream(Path(name), std::ios::binary) << content;
  }
  Value See(Observation::Kind kind, const std::string& path,
            bool rebuildable = false) const {
    Observation observation;
    observation.set_kind(kind);
    observation.set_path(path);
    observation.set_rebuildable(rebuildable);
    return Observe(observation, world_);
  }
  std::vector<std::string> Glob(const std::vector<std::string>& patterns) {
    Observation observation;
    observation.set_kind(Observation::GLOB);
    for (const std::string& pattern : patterns) {
      auto* glob = observation.add_globs();
      const bool negative = pattern[0] == '!';
      glob->set_negative(negative);
      glob->set_pattern(pattern.substr(negative ? 1 : 0));
    }
    std::vector<std::string> names;
    const Value value = Observe(observation, world_);
    for (const auto& member : value.members()) {
      names.push_back(member.name());
    }
    return names;
  }

  test::TempDir dir_;
  FileDigests files_{nullptr};
  base::EnvMap env_;
  World world_;
};

TEST_F(ObserveTest, MetadataHasNoTimesAndNoSizeButOfFiles) {
  Write("file", "abc");
  const Value value = See(Observation::METADATA, "file");
  EXPECT_EQ(value.type(), Value::FILE);
  EXPECT_EQ(value.size(), 3U);
  EXPECT_EQ(See(Observation::EXISTENCE, "file").size(), 0U);
  EXPECT_EQ(See(Observation::METADATA, "").type(), Value::DIRECTORY);
  EXPECT_EQ(See(Observation::METADATA, "").size(), 0U);
}

TEST_F(ObserveTest, OfPermissionsOnlyWhetherAFileIsExecutableCounts) {
  Write("file", "abc");
  for (const Observation::Kind kind :
       {Observation::CONTENT, Observation::METADATA, Observation::EXISTENCE}) {
    ::chmod(Path("file").c_str(), 0644);
    const Value plain = See(kind, "file");
    ::chmod(Path("file").c_str(), 0600);
    EXPECT_TRUE(SameValue(See(kind, "file"), plain));
    ::chmod(Path("file").c_str(), 0755);
    EXPECT_FALSE(SameValue(See(kind, "file"), plain));
    const Value directory = See(kind, "");
    ::chmod(world_.root.c_str(), 0755);
    EXPECT_TRUE(SameValue(See(kind, ""), directory));
  }
}

TEST_F(ObserveTest, ContentOfSomethingElseIsItsType) {
  std::filesystem::create_directory(Path("directory"));
  std::filesystem::create_symlink("x", Path("link"));
  EXPECT_EQ(See(Observation::CONTENT, "directory").type(), Value::DIRECTORY);
  EXPECT_EQ(See(Observation::CONTENT, "link").type(), Value::SYMLINK);
  EXPECT_EQ(See(Observation::CONTENT, "none").type(), Value::MISSING);
}

TEST_F(ObserveTest, MissingBelowAFileIsNotMissingBelowADirectory) {
  std::filesystem::create_directory(Path("src"));
  Write("blocked", "");
  for (const auto kind :
       {Observation::CONTENT, Observation::METADATA, Observation::EXISTENCE,
        Observation::LINK, Observation::LISTING}) {
    const Value missing = See(kind, "src/none");
    const Value blocked = See(kind, "blocked/none");
    EXPECT_EQ(missing.type(), Value::MISSING);
    EXPECT_EQ(blocked.type(), Value::MISSING);
    EXPECT_TRUE(SameValue(missing, See(kind, "none/none")));
    EXPECT_FALSE(SameValue(missing, blocked)) << kind;
  }
  EXPECT_EQ(See(Observation::CONTENT, "src/none", true).type(),
            Value::REBUILDABLE);
  EXPECT_EQ(See(Observation::CONTENT, "blocked/none", true).type(),
            Value::MISSING);
}

TEST_F(ObserveTest, LinksCountByTheirText) {
  std::filesystem::create_symlink("one", Path("a"));
  std::filesystem::create_symlink("one", Path("b"));
  std::filesystem::create_symlink("two", Path("c"));
  EXPECT_TRUE(
      SameValue(See(Observation::LINK, "a"), See(Observation::LINK, "b")));
  EXPECT_FALSE(
      SameValue(See(Observation::LINK, "a"), See(Observation::LINK, "c")));
  EXPECT_EQ(See(Observation::LINK, "none").type(), Value::MISSING);
}

TEST_F(ObserveTest, OurOwnTemporaryFilesAreNotListed) {
  Write(absl::StrCat("src/", kTemporaryPrefix, "1-2"), "");
  Write("src/a", "");
  EXPECT_EQ(See(Observation::LISTING, "src").members_size(), 1);
}

TEST_F(ObserveTest, GlobsFindFilesAndLinksButNotThroughLinks) {
  Write("src/a.ts", "1");
  Write("src/.hidden.ts", "1");
  Write("src/deep/er/b.ts", "1");
  Write("other/c.ts", "1");
  Write(".git/d.ts", "1");
  std::filesystem::create_directory_symlink("../other", Path("src/linked"));
  std::filesystem::create_symlink("a.ts", Path("src/link.ts"));
  EXPECT_THAT(Glob({"src/**/*.ts"}),
              ElementsAre("src/.hidden.ts", "src/a.ts", "src/deep/er/b.ts",
                          "src/link.ts"));
  EXPECT_THAT(Glob({"src/*"}), ElementsAre("src/.hidden.ts", "src/a.ts",
                                           "src/link.ts", "src/linked"));
  EXPECT_THAT(Glob({"!src/deep/**", "**/*.ts", "src/a.ts", "!src/.h*"}),
              ElementsAre("other/c.ts", "src/a.ts", "src/link.ts"));
  EXPECT_THAT(Glob({"src/"}), testing::Contains("src/deep/er/b.ts"));
  EXPECT_THAT(Glob({"none/**", "["}), ElementsAre());
}

TEST_F(ObserveTest, TheTargetOfAMatchedLinkCounts) {
  Write("target", "1");
  std::filesystem::create_symlink("target", Path("link"));
  Observation observation;
  observation.set_kind(Observation::GLOB);
  observation.add_globs()->set_pattern("link");
  const Value before = Observe(observation, world_);
  Write("target", "2");
  EXPECT_FALSE(SameValue(before, Observe(observation, world_)));
  Write("target", "1");
  EXPECT_TRUE(SameValue(before, Observe(observation, world_)));
}

TEST_F(ObserveTest, RebuildableMatchesMissingAndOwnOutputsOnly) {
  world_.is_own_output = [](const std::string& path,
                            const base::Digest& digest) {
    return path == "out" && digest == Sha256("mine");
  };
  for (const Observation::Kind kind :
       {Observation::CONTENT, Observation::METADATA, Observation::EXISTENCE,
        Observation::LISTING}) {
    std::filesystem::remove_all(Path("out"));
    EXPECT_EQ(See(kind, "out", true).type(), Value::REBUILDABLE);
    Write("out", "mine");
    EXPECT_EQ(See(kind, "out", true).type(), Value::REBUILDABLE);
    Write("out", "yours");
    EXPECT_EQ(See(kind, "out", true).type(), Value::FILE);
  }
}

TEST_F(ObserveTest, AWorldWithoutVariablesHasNone) {
  world_.env = nullptr;
  EXPECT_EQ(See(Observation::ENV, "PATH").type(), Value::MISSING);
  EXPECT_EQ(See(Observation::ENV_PREFIX, "P").members_size(), 0);
}

TEST_F(ObserveTest, AnEmptyVariableIsNotAMissingOne) {
  env_["EMPTY"] = "";
  EXPECT_EQ(See(Observation::ENV, "EMPTY").type(), Value::SET);
  EXPECT_EQ(See(Observation::ENV, "NONE").type(), Value::MISSING);
}

TEST(FingerprintTest, WhoAskedDoesNotChangeAPathSet) {
  PathSet a;
  a.add_observations()->set_path("x");
  PathSet b = a;
  b.mutable_observations(0)->mutable_provenance()->set_pid(7);
  EXPECT_EQ(PathSetDigest(a), PathSetDigest(b));
  b.mutable_observations(0)->add_ignored("y");
  EXPECT_NE(PathSetDigest(a), PathSetDigest(b));
}

TEST(FingerprintTest, EveryFieldOfAValueCounts) {
  std::vector<Value> values(7);
  values[1].set_type(Value::FILE);
  values[2].set_digest("x");
  values[3].set_mode(1);
  values[4].set_size(1);
  values[5].add_members()->set_name("x");
  values[6].add_members()->set_type(Value::FILE);
  std::set<std::string> digests;
  for (size_t i = 0; i < values.size(); ++i) {
    digests.insert(StrongFingerprint({}, {}, {values[i]}).ToHex());
    for (size_t k = 0; k < values.size(); ++k) {
      EXPECT_EQ(SameValue(values[i], values[k]), i == k) << i << k;
    }
  }
  EXPECT_EQ(digests.size(), values.size());
}

std::string Text(const std::vector<Difference>& differences) {
  std::string text;
  for (const Difference& d : differences) {
    absl::StrAppend(&text, text.empty() ? "" : "; ",
                    Difference::Kind_Name(d.kind()), " ",
                    Difference::Change_Name(d.change()), " ", d.name(),
                    d.path(), d.from(), d.to().empty() ? "" : ">", d.to());
  }
  return text;
}

TEST(DifferencesTest, KindsComeInOrderAndThenNames) {
  WeakDescription before;
  before.set_program("node");
  before.add_args("a");
  before.set_cwd("x");
  before.add_untracked_env("CI");
  WeakDescription now = before;
  now.set_program("deno");
  now.add_args("b");
  now.set_cwd("y");
  now.mutable_input()->set_automatic(true);
  now.mutable_output()->set_automatic(true);
  now.set_untracked_env(0, "TZ");
  now.set_track(true);
  now.set_platform("mars");
  EXPECT_EQ(Text(DescribeDifferences(before, now)),
            "PROGRAM CHANGED node>deno; ARGS CHANGED a>a b; CWD CHANGED x>y; "
            "INPUT_CONFIG CHANGED ; OUTPUT_CONFIG CHANGED ; "
            "UNTRACKED_ENV REMOVED CI; UNTRACKED_ENV ADDED TZ; "
            "CACHE_CONFIG CHANGED ; FORMAT CHANGED >mars");
  EXPECT_EQ(Text(DescribeDifferences(now, now)), "");
}

TEST(DifferencesTest, VariablesAreAddedRemovedAndChanged) {
  WeakDescription before;
  WeakDescription now;
  const auto add = [](WeakDescription* d, const char* name, bool present,
                      const char* value) {
    auto* variable = d->add_env();
    variable->set_name(name);
    variable->set_present(present);
    variable->set_value_digest(value);
  };
  add(&before, "A", true, "1");
  add(&now, "A", true, "2");
  add(&before, "B", false, "");
  add(&now, "B", true, "");
  add(&before, "C", true, "1");
  add(&now, "C", false, "");
  add(&before, "D", true, "1");
  add(&now, "D", true, "1");
  add(&now, "E", true, "1");
  add(&now, "F", false, "");
  EXPECT_EQ(Text(DescribeDifferences(before, now)),
            "ENV CHANGED A; ENV ADDED B; ENV REMOVED C; ENV ADDED E; "
            "ENV CHANGED F");
}

TEST(DifferencesTest, OneThingIsNamedOnceWithWhatSaysMost) {
  std::vector<Difference> differences(4);
  for (Difference& difference : differences) {
    difference.set_kind(Difference::FILE);
    difference.set_change(Difference::CHANGED);
    difference.set_path("b");
  }
  differences[1].set_new_digest("x");
  differences[2].set_path("a");
  differences[3].set_path("a");
  differences[3].set_change(Difference::REMOVED);
  SortDifferences(&differences);
  ASSERT_EQ(Text(differences), "FILE REMOVED a; FILE CHANGED b");
  EXPECT_EQ(differences[1].new_digest(), "x");
}

}  // namespace
}  // namespace vt::fingerprint
