// SPDX-License-Identifier: Apache-2.0

#include "daemon/plan/shell_words.h"

#include <optional>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace vt::plan {
namespace {

// "A=1|prog|arg" for each part; parts are separated by " && ".
std::string Show(const std::vector<SimpleCommand>& commands) {
  std::vector<std::string> parts;
  for (const SimpleCommand& command : commands) {
    std::vector<std::string> words;
    for (const auto& [name, value] : command.assignments) {
      words.push_back(absl::StrCat(name, "=", value));
    }
    words.insert(words.end(), command.words.begin(), command.words.end());
    parts.push_back(absl::StrJoin(words, "|"));
  }
  return absl::StrJoin(parts, " && ");
}

struct NativeRow {
  const char* command;
  const char* shown;
};

class NativeTest : public testing::TestWithParam<NativeRow> {};

TEST_P(NativeTest, IsParsed) {
  const auto commands = ParseNative(GetParam().command);
  ASSERT_TRUE(commands.has_value()) << GetParam().command;
  EXPECT_EQ(Show(*commands), GetParam().shown) << GetParam().command;
}

INSTANTIATE_TEST_SUITE_P(
    Grammar, NativeTest,
    testing::Values(
        // R-PLAN-2, R-PLAN-3
        NativeRow{"vite build", "vite|build"},
        NativeRow{"a && b x && c", "a && b|x && c"},
        NativeRow{"a&&b", "a && b"}, NativeRow{"a &&\n b", "a && b"},
        NativeRow{"  a b  ", "a|b"}, NativeRow{"\n a b \n\n", "a|b"},
        NativeRow{"a;", "a"}, NativeRow{"a ; ", "a"},
        NativeRow{"a && b;", "a && b"}, NativeRow{"a # note && b", "a"},
        NativeRow{"a; # note", "a"}, NativeRow{"a #x\n", "a"},
        NativeRow{"a b#c", "a|b#c"}, NativeRow{"a \\\n b", "a|b"},
        NativeRow{"a b\\\nc", "a|bc"}, NativeRow{"a\tb", "a|b"},
        // R-PLAN-4
        NativeRow{"a 'b c' \"d e\"", "a|b c|d e"},
        NativeRow{"a \"x\\\"y\\\\z\\`w\\$v\"", "a|x\"y\\z`w$v"},
        NativeRow{"a \"x\\ny\"", "a|x\\ny"}, NativeRow{"a \"x\\\ny\"", "a|xy"},
        NativeRow{"a b\\ c \\'d", "a|b c|'d"},
        NativeRow{"a x\"y\"'z'w", "a|xyzw"}, NativeRow{"a '' \"\"", "a||"},
        NativeRow{"\"cat\" a", "cat|a"},
        NativeRow{"a '$X `y` \\'", "a|$X `y` \\"},
        NativeRow{"a $'x\\ty\\'z'", "a|x\ty'z"},
        NativeRow{"a $'\\x41\\101\\e\\cA\\q'", "a|AA\x1b\x01\\q"},
        NativeRow{"a $'\\u00e9'", "a|\xC3\xA9"},
        // R-PLAN-5
        NativeRow{"A=1 B=\"two words\" p x", "A=1|B=two words|p|x"},
        NativeRow{"A= B=x=y p", "A=|B=x=y|p"}, NativeRow{"A=~/x p", "A=~/x|p"},
        NativeRow{"A=1 p && B=2 q", "A=1|p && B=2|q"},
        // R-PLAN-6
        NativeRow{"a *.txt a?b [x] {a,b} {1..3} ~ ~/x %F% !x",
                  "a|*.txt|a?b|[x]|{a,b}|{1..3}|~|~/x|%F%|!x"},
        NativeRow{"a --x=y -Da=b a.b=c 'a=b' \"c\"=d 1=2",
                  "a|--x=y|-Da=b|a.b=c|a=b|c=d|1=2"},
        NativeRow{"a price$ $", "a|price$|$"},
        NativeRow{"a if for {", "a|if|for|{"}, NativeRow{"'if' x", "if|x"},
        NativeRow{"[ -f x ]", "[|-f|x|]"}, NativeRow{"echo {}", "echo|{}"},
        NativeRow{"cd x && echo -n y", "cd|x && echo|-n|y"}));

class ShellTest : public testing::TestWithParam<const char*> {};

TEST_P(ShellTest, GoesToTheShellWhole) {
  EXPECT_FALSE(ParseNative(GetParam()).has_value()) << GetParam();
}

INSTANTIATE_TEST_SUITE_P(
    Grammar, ShellTest,
    testing::Values("a | b", "a || b", "a; b", "a & b", "a &", "a\nb", "a > x",
                    "a < x", "a 2>&1", "a << E", "(a)", "{ a; }", "! a",
                    "if a; then b; fi", "for x in y; do a; done",
                    "while a; do b; done", "case x in y) a;; esac",
                    "f() { a; }", "a $X", "a ${X}", "a $(b)", "a `b`",
                    "a $((1))", "a \"$X\"", "a \"`b`\"", "a \"$(b)\"", "A=$X a",
                    "a $1", "a $?", "a <(b)", "a @(b)", "A=1", "A=1 && b", "",
                    "   ", "# note", "a 'b", "a \"b", "a b\\", "a &&", "&& a",
                    "a && && b", "a;;", "A+=x b", "A[1]=x b",
                    "cross-env NODE_ENV=x cmd", "make X=1", "export A=1",
                    "a X='1'", "a $\"x\"", "a && b | c", "[[ -f x ]]", "a; ;",
                    "function f"));

TEST(ParseNativeTest, KeepsTheTextOfEachPartAsWritten) {
  const auto commands = ParseNative(" A=1  b 'c d'  && e \"f\" ; # note");
  ASSERT_TRUE(commands.has_value());
  ASSERT_EQ(commands->size(), 2U);
  EXPECT_EQ((*commands)[0].text, "A=1  b 'c d'");
  EXPECT_EQ((*commands)[1].text, "e \"f\"");
}

TEST(ShellQuoteTest, QuotesOnlyWhatNeedsIt) {
  EXPECT_EQ(ShellQuote("a-b_c=/,.+1"), "a-b_c=/,.+1");
  EXPECT_EQ(ShellQuote("a b"), "'a b'");
  EXPECT_EQ(ShellQuote("it's"), "'it'\\''s'");
  EXPECT_EQ(ShellQuote(""), "''");
  EXPECT_EQ(ShellQuote("*"), "'*'");
  EXPECT_EQ(ShellQuote("$X"), "'$X'");
}

TEST(AppendShellArgumentsTest, NeverAppendsIntoACommentOrANewLine) {
  EXPECT_EQ(AppendShellArguments("a | b", {}), "a | b");
  EXPECT_EQ(AppendShellArguments("a | b", {"x y"}), "a | b 'x y'");
  EXPECT_EQ(AppendShellArguments("a | b\n", {"x"}), "a | b x");
  EXPECT_EQ(AppendShellArguments("a | b # c", {"x"}), "a | b x # c");
  EXPECT_EQ(AppendShellArguments("a 'q # r' | b#c", {"x"}),
            "a 'q # r' | b#c x");
  EXPECT_EQ(AppendShellArguments("a # one\nb | c", {"x"}), "a # one\nb | c x");
}

}  // namespace
}  // namespace vt::plan
