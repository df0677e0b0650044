// SPDX-License-Identifier: Apache-2.0

#include "daemon/base/glob.h"

#include <string>

#include "absl/strings/string_view.h"
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/status_matchers.h"

namespace vt::base {
namespace {

using ::testing::HasSubstr;

struct Row {
  const char* pattern;
  const char* text;
  bool matches;
};

void Check(const Row& row, Glob::Style style) {
  absl::StatusOr<Glob> glob = Glob::Parse(row.pattern, style);
  ASSERT_THAT(glob, test::IsOk()) << row.pattern;
  EXPECT_EQ(glob->Matches(row.text), row.matches)
      << row.pattern << " on " << row.text;
}

TEST(GlobTest, MatchesPaths) {
  constexpr Row kRows[] = {
      {"a.txt", "a.txt", true},
      {"a.txt", "b/a.txt", false},
      {"*.ts", "a.ts", true},
      {"*.ts", ".ts", true},
      {"*.ts", "src/a.ts", false},
      {"src/*.ts", "src/a.ts", true},
      {"src/*.ts", "src/x/a.ts", false},
      {"src/**", "src/x/a.ts", true},
      {"src/**", "src", true},
      {"src/**", "srcx/a", false},
      {"src/**/a.ts", "src/a.ts", true},
      {"src/**/a.ts", "src/x/y/a.ts", true},
      {"src/**/x/*.ts", "src/x/q/x/b.ts", true},
      {"src/**/x/*.ts", "src/x/q/b.ts", false},
      {"**", "any/thing", true},
      {"**", ".hidden", true},
      {"**/*.js", "a.js", true},
      {"**/a/**/b", "a/x/a/y/b", true},
      {"**/a/**/b", "b", false},
      {"conf/", "conf/x", true},
      {"conf/", "conf/x/.y", true},
      {"conf/", "config", false},
      {"a?c", "abc", true},
      {"a?c", "a/c", false},
      {"[abc].x", "b.x", true},
      {"[!abc].x", "b.x", false},
      {"[^abc].x", "d.x", true},
      {"[a-c]x", "bx", true},
      {"[a-]x", "-x", true},
      {"[]]x", "]x", true},
      {"[!/]x", "ax", true},
      {"*.{js,ts}", "a.ts", true},
      {"*.{js,ts}", "a.css", false},
      {"{src,lib/deep}/**/*.x", "lib/deep/a/b.x", true},
      {"a{,b}", "a", true},
      {"\\*", "*", true},
      {"\\*", "a", false},
      {"a\\{b", "a{b", true},
      {"a,b", "a,b", true},
      {"a*b*c", "aXbYbZc", true},
      {"a*b*c", "aXbYbZ", false},
      {"", "", false},
  };
  for (const Row& row : kRows) {
    if (*row.pattern != '\0') {
      Check(row, Glob::Style::kPath);
    }
  }
}

TEST(GlobTest, FlatStarsMatchEverything) {
  constexpr Row kRows[] = {
      {"VITE_*", "VITE_X", true},
      {"VITE_*", "VITE_", true},
      {"VITE_*", "XVITE_", false},
      {"*_TOKEN", "NPM_TOKEN", true},
      {"**", "a/b", true},
      {"*", "a/b.c", true},
      {"@x/*", "@x/y", true},
      {"A?", "A/", true},
      {"[AB]C", "BC", true},
      {"{A,B}C", "BC", true},
      {"!A", "!A", true},
      {"vite_*", "VITE_X", false},
      {"ProgramFiles(x86)", "ProgramFiles(x86)", true},
      {"", "", true},
      {"", "a", false},
  };
  for (const Row& row : kRows) {
    Check(row, Glob::Style::kFlat);
  }
}

TEST(GlobTest, RefusesWhatDoesNotParseAndSaysWhy) {
  const std::pair<const char*, const char*> kRows[] = {
      {"[", "unclosed `[`"},    {"a[b", "unclosed `[`"},
      {"[]", "unclosed `[`"},   {"a{", "unclosed `{`"},
      {"a/{b", "unclosed `{`"}, {"a}", "`}` without `{`"},
      {"{a,{b}", "nested `{`"}, {"a[b-a]", "inverted range"},
      {"a\\", "lone `\\`"},
  };
  for (const auto& [pattern, why] : kRows) {
    for (const Glob::Style style : {Glob::Style::kPath, Glob::Style::kFlat}) {
      EXPECT_THAT(Glob::Parse(pattern, style),
                  test::StatusIs(absl::StatusCode::kInvalidArgument,
                                 AllOf(HasSubstr(why), HasSubstr(pattern))));
    }
  }
}

TEST(GlobTest, BraceExpansionIsBounded) {
  std::string pattern;
  for (int i = 0; i < 40; ++i) {
    pattern += "{a,b}";
  }
  EXPECT_FALSE(Glob::Parse(pattern, Glob::Style::kFlat).ok());
}

TEST(GlobTest, TheLiteralPrefixIsWhereAWalkStarts) {
  const std::pair<const char*, const char*> kRows[] = {
      {"src/a/*.ts", "src/a"}, {"*.ts", ""},
      {"src/a.ts", "src"},     {"a.ts", ""},
      {"src/**", "src"},       {"src/", "src"},
      {"{a,b}/x", ""},         {"s/{a,b}/x", "s"},
      {"s\\*/a/b", "s*/a"},    {"a/[b]/c/d", "a"},
  };
  for (const auto& [pattern, prefix] : kRows) {
    absl::StatusOr<Glob> glob = Glob::Parse(pattern, Glob::Style::kPath);
    ASSERT_THAT(glob, test::IsOk());
    EXPECT_EQ(glob->literal_prefix(), prefix) << pattern;
  }
}

TEST(GlobTest, AWalkIsToldWhichDirectoriesToEnter) {
  constexpr Row kRows[] = {
      {"src/a/*.ts", "", true},      {"src/a/*.ts", "src", true},
      {"src/a/*.ts", "src/a", true}, {"src/a/*.ts", "src/b", false},
      {"src/a/*.ts", "lib", false},  {"src/a/*.ts", "src/a/b", false},
      {"src/**/x", "src/q/w", true}, {"src/**/x", "lib", false},
      {"**/x", "anything/at", true}, {"{a,b/c}/*", "b", true},
      {"{a,b/c}/*", "c", false},     {"a/", "a/b/c", true},
  };
  for (const Row& row : kRows) {
    absl::StatusOr<Glob> glob = Glob::Parse(row.pattern, Glob::Style::kPath);
    ASSERT_THAT(glob, test::IsOk());
    EXPECT_EQ(glob->MayMatchBelow(row.text), row.matches)
        << row.pattern << " below " << row.text;
  }
}

TEST(GlobTest, AnEscapedTextMatchesItselfOnly) {
  for (const char* text : {"a*b", "[x]", "{a,b}", "a\\b", "!x", "plain"}) {
    absl::StatusOr<Glob> glob =
        Glob::Parse(Glob::Escape(text), Glob::Style::kPath);
    ASSERT_THAT(glob, test::IsOk()) << text;
    EXPECT_TRUE(glob->Matches(text)) << text;
    EXPECT_FALSE(glob->Matches("aXb")) << text;
  }
}

TEST(GlobTest, ManyStarsTakeNoExponentialTime) {
  std::string pattern;
  for (int i = 0; i < 30; ++i) {
    pattern += "a*";
  }
  absl::StatusOr<Glob> glob = Glob::Parse(pattern + "b", Glob::Style::kFlat);
  ASSERT_THAT(glob, test::IsOk());
  EXPECT_FALSE(glob->Matches(std::string(5000, 'a')));
}

}  // namespace
}  // namespace vt::base
