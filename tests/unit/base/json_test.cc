// SPDX-License-Identifier: Apache-2.0

#include "daemon/base/json.h"

#include <string>
#include <utility>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/status_matchers.h"

namespace vt::base {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

TEST(JsonTest, ReadsEveryKindOfValue) {
  const auto json = ParseJson(
      R"({"a": "x\"\\\/\b\f\n\r\t\u00e9\ud83d\ude00", "b": [1, -2.5e3, true,
          false, null], "c": {}})",
      JsonDialect::kStrict, "f");
  ASSERT_THAT(json, test::IsOk());
  EXPECT_EQ(json->Find("a")->text, "x\"\\/\b\f\n\r\t\xC3\xA9\xF0\x9F\x98\x80");
  ASSERT_EQ(json->Find("b")->items.size(), 5U);
  EXPECT_EQ(json->Find("b")->items[1].text, "-2.5e3");
  EXPECT_TRUE(json->Find("b")->items[2].boolean);
  EXPECT_FALSE(json->Find("b")->items[3].boolean);
  EXPECT_TRUE(json->Find("c")->is_object());
  EXPECT_EQ(json->Find("d"), nullptr);
}

TEST(JsonTest, KnowsWhereThingsStandInCharacters) {
  const auto json = ParseJson("{\r\n  \"\xC3\xA4\": [\r\n    7, \"x\"]}",
                              JsonDialect::kRelaxed, "f");
  ASSERT_THAT(json, test::IsOk());
  EXPECT_EQ(json->members[0].line, 2);
  EXPECT_EQ(json->members[0].column, 3);
  EXPECT_EQ(json->members[0].value.column, 8);
  EXPECT_EQ(json->members[0].value.items[1].line, 3);
  EXPECT_EQ(json->members[0].value.items[1].column, 8);
}

TEST(JsonTest, TheRelaxedDialectHasCommentsTrailingCommasAndABom) {
  const auto json = ParseJson(
      "\xEF\xBB\xBF// one\n{ /* two\n */ \"a\": [1, 2,], // three\n}\n",
      JsonDialect::kRelaxed, "f");
  ASSERT_THAT(json, test::IsOk());
  EXPECT_EQ(json->Find("a")->items.size(), 2U);
}

TEST(JsonTest, TheStrictDialectTakesTheLastOfTwoEqualKeys) {
  const auto json = ParseJson(R"({"a": 1, "a": 2})", JsonDialect::kStrict, "f");
  ASSERT_THAT(json, test::IsOk());
  EXPECT_EQ(json->Find("a")->text, "2");
}

struct ErrorRow {
  const char* text;
  JsonDialect dialect;
  const char* message;
};

class JsonErrorTest : public testing::TestWithParam<ErrorRow> {};

TEST_P(JsonErrorTest, NamesFileLineAndColumn) {
  EXPECT_THAT(ParseJson(GetParam().text, GetParam().dialect, "f.json"),
              test::StatusIs(absl::StatusCode::kInvalidArgument,
                             StartsWith(GetParam().message)))
      << GetParam().text;
}

constexpr JsonDialect kStrict = JsonDialect::kStrict;
constexpr JsonDialect kRelaxed = JsonDialect::kRelaxed;

INSTANTIATE_TEST_SUITE_P(
    Table, JsonErrorTest,
    testing::Values(
        ErrorRow{"", kStrict, "f.json:1:1: expected a value, found the end"},
        ErrorRow{"{", kStrict, "f.json:1:2: expected a key"},
        ErrorRow{"{\n \"a\" 1}", kStrict,
                 "f.json:2:6: expected `:`, found `1`"},
        ErrorRow{"{\"a\": }", kStrict,
                 "f.json:1:7: expected a value, found `}`"},
        ErrorRow{"{\"a\": 1,}", kStrict, "f.json:1:9: expected another entry"},
        ErrorRow{"[1 2]", kRelaxed, "f.json:1:4: expected `,` or `]`"},
        ErrorRow{"[1,,]", kRelaxed, "f.json:1:4: expected a value, found `,`"},
        ErrorRow{"// x\n1", kStrict, "f.json:1:1: comments are not allowed"},
        ErrorRow{"/* x", kRelaxed, "f.json:1:1: this comment is not closed"},
        ErrorRow{"{\"a\": \"x", kStrict,
                 "f.json:1:7: this string is not closed"},
        ErrorRow{"\"a\nb\"", kStrict,
                 "f.json:1:1: this string is not closed on its line"},
        ErrorRow{"\"\t\"", kStrict, "f.json:1:2: control characters"},
        ErrorRow{"\"\\q\"", kStrict, "f.json:1:3: expected an escape sequence"},
        ErrorRow{"\"\\u12g4\"", kStrict, "f.json:1:6: expected four hexa"},
        ErrorRow{"{} x", kStrict, "f.json:1:4: expected the end of the file"},
        ErrorRow{"{'a': 1}", kRelaxed, "f.json:1:2: expected a key in double"},
        ErrorRow{"01", kStrict, "f.json:1:2: expected the end"},
        ErrorRow{"1.", kStrict, "f.json:1:3: expected a digit"},
        ErrorRow{"nul", kStrict, "f.json:1:4: expected `null`"},
        ErrorRow{"{\"a\": 1,\n \"a\": 2}", kRelaxed,
                 "f.json:2:2: key `a` is in this object already"}));

TEST(JsonTest, ADeepDocumentIsAnErrorNotACrash) {
  EXPECT_THAT(ParseJson(std::string(100000, '['), JsonDialect::kStrict, "f"),
              test::StatusIs(absl::StatusCode::kInvalidArgument,
                             HasSubstr("nested too deeply")));
}

}  // namespace
}  // namespace vt::base
