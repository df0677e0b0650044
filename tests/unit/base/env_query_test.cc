// SPDX-License-Identifier: Apache-2.0

#include "daemon/base/env_query.h"

#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/status_matchers.h"

namespace vt::base {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Pair;
using ::testing::UnorderedElementsAreArray;
using ::vt::test::IsOk;
using ::vt::test::StatusIs;

EnvMap WithNames(const std::vector<std::string>& names) {
  EnvMap env;
  for (const std::string& name : names) {
    env[name] = "1";
  }
  return env;
}

std::vector<std::string> Names(const EnvMap& env) {
  std::vector<std::string> names;
  for (const auto& [name, value] : env) {
    names.push_back(name);
  }
  return names;
}

TEST(EnvQueryTest, ParseEnvKeepsTheFirstAndDropsWhatHasNoName) {
  EXPECT_THAT(ParseEnv({"A=1", "A=2", "=C:=x", "noequals", "B=", "C=a=b"}),
              ElementsAre(Pair("A", "1"), Pair("B", ""), Pair("C", "a=b")));
}

TEST(EnvQueryTest, GlobMatchesWholeNames) {
  const std::vector<std::string> all = {"P_A", "P_B", "P_AB", "P_",   "P_*",
                                        "Q_A", "P.X", "P/Y",  "!P_A", "p_low"};
  const EnvMap env = WithNames(all);
  const struct {
    const char* pattern;
    std::vector<std::string> names;
  } kCases[] = {
      {"P_*", {"P_", "P_*", "P_A", "P_AB", "P_B"}},
      {"*_A", {"!P_A", "P_A", "Q_A"}},
      {"P_?", {"P_*", "P_A", "P_B"}},
      {"P_[AB]", {"P_A", "P_B"}},
      {"P_[!A]", {"P_*", "P_B"}},
      {"P_[^A]", {"P_*", "P_B"}},
      {"P_{A,B}", {"P_A", "P_B"}},
      {"{P,Q}_A", {"P_A", "Q_A"}},
      {"!P_A", {"!P_A"}},
      {"p_*", {"p_low"}},
      {"P_\\*", {"P_*"}},
      {"P/*", {"P/Y"}},
      {"P.*", {"P.X"}},
      {"P*Y", {"P/Y"}},
      {"P_A", {"P_A"}},
      {"", {}},
      {"*", {}},
      {"**", all},
      {"\\\\", {}},
  };
  for (const auto& c : kCases) {
    SCOPED_TRACE(c.pattern);
    const absl::StatusOr<EnvMap> got = MatchEnvGlob(env, c.pattern);
    ASSERT_THAT(got, IsOk());
    EXPECT_THAT(Names(*got), UnorderedElementsAreArray(c.names));
  }
}

TEST(EnvQueryTest, AGlobThatDoesNotParseIsNamed) {
  for (const char* pattern :
       {"[", "a{", "a}", "{a,{b}", "a[b-a]", "{unclosed", "x\\"}) {
    EXPECT_THAT(
        MatchEnvGlob({}, pattern),
        StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(pattern)))
        << pattern;
  }
}

TEST(EnvQueryTest, PrefixIsLiteral) {
  const EnvMap env = WithNames({"P_A", "P_B", "P_*X", "p_low", "P"});
  EXPECT_THAT(Names(MatchEnvPrefix(env, "P_")),
              ElementsAre("P_*X", "P_A", "P_B"));
  EXPECT_THAT(Names(MatchEnvPrefix(env, "P_*")), ElementsAre("P_*X"));
  EXPECT_THAT(Names(MatchEnvPrefix(env, "p_")), ElementsAre("p_low"));
  EXPECT_THAT(MatchEnvPrefix(env, ""), IsEmpty());
  EXPECT_THAT(MatchEnvPrefix(env, "Z"), IsEmpty());
}

}  // namespace
}  // namespace vt::base
