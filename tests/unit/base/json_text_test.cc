// SPDX-License-Identifier: Apache-2.0

#include "daemon/base/json_text.h"

#include <string>

#include <gmock/gmock.h>

#include "daemon/base/path.h"
#include "daemon/base/utf8.h"

namespace vt::base {
namespace {

TEST(JsonTextTest, EscapesWhatMustBe) {
  EXPECT_EQ(JsonString("a\"\\\n\t\x01/é漢"), "\"a\\\"\\\\\\n\\t\\u0001/é漢\"");
  EXPECT_EQ(JsonString(std::string("\0", 1)), "\"\\u0000\"");
}

TEST(JsonTextTest, WhatIsNoTextBecomesReplacementCharacters) {
  EXPECT_EQ(JsonString("a\xff\xc3"), "\"a\\ufffd\\ufffd\"");
}

TEST(JsonTextTest, ObjectsAndLists) {
  JsonObject object;
  EXPECT_EQ(object.Text(), "{}");
  object.AddString("a", "b");
  object.Add("c", JsonStrings({"d", "e"}));
  EXPECT_EQ(object.Text(), R"({"a":"b","c":["d","e"]})");
  EXPECT_EQ(JsonArray({}), "[]");
}

TEST(Utf8Test, KnowsCharactersFromOtherBytes) {
  EXPECT_EQ(Utf8Length("a"), 1);
  EXPECT_EQ(Utf8Length("é"), 2);
  EXPECT_EQ(Utf8Length("漢"), 3);
  EXPECT_EQ(Utf8Length("👍"), 4);
  EXPECT_EQ(Utf8Length(""), 0);
  EXPECT_EQ(Utf8Length("\x80"), 0);
  EXPECT_EQ(Utf8Length("\xc3"), 0);
  EXPECT_EQ(Utf8Length("\xc0\xaf"), 0);          // overlong
  EXPECT_EQ(Utf8Length("\xe0\x80\xaf"), 0);      // overlong
  EXPECT_EQ(Utf8Length("\xed\xa0\x80"), 0);      // a surrogate
  EXPECT_EQ(Utf8Length("\xf4\x90\x80\x80"), 0);  // beyond the last
}

TEST(PathTest, UrlsOfFilesArePercentEncoded) {
  EXPECT_EQ(FileUrl("/usr/a b#c?é/"), "file:///usr/a%20b%23c%3F%C3%A9/");
}

}  // namespace
}  // namespace vt::base
