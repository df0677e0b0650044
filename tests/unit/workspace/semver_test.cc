// SPDX-License-Identifier: Apache-2.0

#include "daemon/workspace/semver.h"

#include <gtest/gtest.h>

namespace vt::workspace {
namespace {

struct Row {
  const char* version;
  const char* range;
  bool satisfies;
};

TEST(SemverTest, RangesMeanWhatNpmSays) {
  constexpr Row kRows[] = {
      {"1.2.3", "1.2.3", true},       {"1.2.3", "=1.2.3", true},
      {"1.2.4", "1.2.3", false},      {"1.2.3", "v1.2.3", true},
      {"1.9.0", "^1.2.3", true},      {"2.0.0", "^1.2.3", false},
      {"1.2.2", "^1.2.3", false},     {"0.2.9", "^0.2.3", true},
      {"0.3.0", "^0.2.3", false},     {"0.0.3", "^0.0.3", true},
      {"0.0.4", "^0.0.3", false},     {"0.0.9", "^0.0", true},
      {"0.9.0", "^0", true},          {"1.0.0", "^0", false},
      {"1.2.9", "~1.2.3", true},      {"1.3.0", "~1.2.3", false},
      {"1.9.0", "~1", true},          {"2.0.0", "~1", false},
      {"1.2.3", "1.x", true},         {"1.2.3", "1", true},
      {"2.0.0", "1.x", false},        {"1.2.3", "1.2", true},
      {"1.3.0", "1.2.*", false},      {"1.2.3", ">=1.0.0 <2", true},
      {"2.0.0", ">=1.0.0 <2", false}, {"2.0.0", "> 1.9", true},
      {"1.9.5", ">1.9", false},       {"1.9.5", "<=1.9", true},
      {"2.0.0", "<=1.9", false},      {"3.0.0", "1 || 3", true},
      {"2.0.0", "1 || 3", false},     {"1.5.0", "1.2.3 - 1.9", true},
      {"1.9.9", "1.2.3 - 1.9", true}, {"2.0.0", "1.2.3 - 1.9", false},
      {"1.0.0", "*", true},           {"", "*", true},
      {"1.0.0-a", "*", true},         {"", "^1", false},
      {"1.0.0-a", "^1.0.0", false},   {"1.0.0-b", "^1.0.0-a", true},
      {"1.1.0-b", "^1.0.0-a", false}, {"1.0.0-a.2", ">1.0.0-a.10", false},
      {"2.0.0-0", "^1.0.0", false},   {"1.0.0", "latest", false},
      {"1.0.0", "npm:x@1", false},    {"1.0.0", "github:a/b", false},
      {"1.0.0+build", "1.0.0", true}, {"1.0.0", ">=", false},
  };
  for (const Row& row : kRows) {
    EXPECT_EQ(Satisfies(row.version, row.range), row.satisfies)
        << row.version << " in " << row.range;
  }
}

}  // namespace
}  // namespace vt::workspace
