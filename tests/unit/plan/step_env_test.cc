// SPDX-License-Identifier: Apache-2.0

#include "daemon/plan/step_env.h"

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "daemon/fingerprint/sink.h"
#include "tests/support/status_matchers.h"

namespace vt::plan {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::Key;
using testing::Not;
using testing::Pair;

// "NAME", "NAME!" if it is absent.
std::vector<std::string> Names(const CachedEnv& env) {
  std::vector<std::string> out;
  for (const vtask::storage::v1::EnvValue& value : env.fingerprinted) {
    out.push_back(absl::StrCat(value.name(), value.present() ? "" : "!"));
  }
  return out;
}

CachedEnv Make(const base::EnvMap& caller, const std::vector<std::string>& env,
               const std::vector<std::string>& untracked,
               const Assignments& assignments = {}) {
  workspace::CacheSettings settings;
  settings.env = env;
  settings.untracked_env = untracked;
  absl::StatusOr<CachedEnv> result =
      MakeCachedEnv(caller, DefaultNames(caller), assignments, settings);
  EXPECT_THAT(result, test::IsOk());
  return *result;
}

TEST(CachedEnvTest, OnlyTheDefaultListGetsThrough) {
  const CachedEnv env = Make({{"HOME", "/h"},
                              {"NODE_ENV", "x"},
                              {"MY_TOKEN", "t"},
                              {"GITHUB_X", "g"},
                              {"TMPDIR", "/t"},
                              {"VT_X", "1"}},
                             {}, {});
  EXPECT_THAT(env.env,
              ElementsAre(Pair("FORCE_COLOR", "1"), Pair("GITHUB_X", "g"),
                          Pair("HOME", "/h"), Pair("MY_TOKEN", "t"),
                          Pair("VP_RUN", "1"), Pair("VT_X", "1")));
  EXPECT_THAT(env.fingerprinted, IsEmpty());
}

TEST(CachedEnvTest, DeclaredOnesCountWithValueOrAbsence) {
  const CachedEnv env =
      Make({{"A", "1"}, {"V_X", "2"}, {"V_Y", ""}}, {"A", "B", "V_*"}, {});
  EXPECT_THAT(env.env, Contains(Pair("A", "1")));
  EXPECT_THAT(env.env, Contains(Pair("V_Y", "")));
  EXPECT_THAT(Names(env), ElementsAre("A", "B!", "V_X", "V_Y"));
  EXPECT_EQ(env.fingerprinted[0].value_digest(),
            std::string(fingerprint::Sha256("1").AsBytes()));
}

TEST(CachedEnvTest, AnExclusionHidesWhateverItsPlace) {
  for (const bool first : {true, false}) {
    const CachedEnv env = Make({{"V_A", "1"}, {"V_S", "2"}},
                               first ? std::vector<std::string>{"!V_S", "V_*"}
                                     : std::vector<std::string>{"V_*", "!V_S"},
                               {});
    EXPECT_THAT(env.env, Not(Contains(Key("V_S"))));
    EXPECT_THAT(Names(env), ElementsAre("V_A"));
  }
  const CachedEnv env = Make({{"CI", "1"}}, {}, {"!CI"});
  EXPECT_THAT(env.env, Not(Contains(Key("CI"))));
}

TEST(CachedEnvTest, UntrackedOnesAreSeenButDoNotCount) {
  const CachedEnv env = Make({{"A", "1"}, {"B", "2"}}, {"B"}, {"A", "B"});
  EXPECT_THAT(env.env, Contains(Pair("A", "1")));
  EXPECT_THAT(Names(env), ElementsAre("B"));
}

TEST(CachedEnvTest, PrefixAssignmentsWinAndCount) {
  const CachedEnv env =
      Make({{"A", "1"}, {"VP_RUN", "x"}}, {"A"}, {}, {{"A", "2"}, {"Z", "3"}});
  EXPECT_THAT(env.env, Contains(Pair("A", "2")));
  EXPECT_THAT(env.env, Contains(Pair("VP_RUN", "1")));
  EXPECT_THAT(Names(env), ElementsAre("A", "Z"));
  EXPECT_EQ(env.fingerprinted[0].value_digest(),
            std::string(fingerprint::Sha256("2").AsBytes()));
  EXPECT_THAT(Make({}, {}, {}, {{"VP_RUN", "x"}}).env,
              Contains(Pair("VP_RUN", "x")));
}

TEST(CachedEnvTest, ForceColorIsOursUnlessTheTaskAndTheCallerHaveIt) {
  EXPECT_THAT(Make({{"FORCE_COLOR", "3"}}, {}, {}).env,
              Contains(Pair("FORCE_COLOR", "1")));
  EXPECT_THAT(Make({{"FORCE_COLOR", "3"}}, {"FORCE_*"}, {}).env,
              Contains(Pair("FORCE_COLOR", "3")));
  const CachedEnv unset = Make({}, {"FORCE_COLOR"}, {});
  EXPECT_THAT(unset.env, Contains(Pair("FORCE_COLOR", "1")));
  EXPECT_THAT(Names(unset), ElementsAre("FORCE_COLOR"));
}

TEST(DefaultNamesTest, TheWholeDefaultListParses) {
  EnvPatterns patterns;
  EXPECT_THAT(patterns.Add(DefaultUntrackedEnv()), test::IsOk());
  EXPECT_EQ(DefaultUntrackedEnv().size(), 56U);
}

TEST(UncachedEnvTest, InheritsEverything) {
  EXPECT_THAT(UncachedEnv({{"A", "1"}, {"VP_RUN", "9"}}, {{"B", "2"}}),
              ElementsAre(Pair("A", "1"), Pair("B", "2"), Pair("VP_RUN", "1")));
}

TEST(StepPathTest, TheBinDirectoriesComeFirstAndOnce) {
  EXPECT_EQ(StepPath("/w/p/a", "/w", "/usr/bin:/w/node_modules/.bin:/bin"),
            "/w/p/a/node_modules/.bin:/w/node_modules/.bin:/usr/bin:/bin");
  EXPECT_EQ(StepPath("/w", "/w", ""), "/w/node_modules/.bin");
}

}  // namespace
}  // namespace vt::plan
