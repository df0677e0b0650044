// SPDX-License-Identifier: Apache-2.0

#include "daemon/migrate/manifest_edit.h"

#include <set>
#include <string>

#include <gmock/gmock.h>

namespace vt::migrate {
namespace {

std::string Without(const std::string& text,
                    const std::set<std::string>& names) {
  const auto edited = WithoutScripts(text, names);
  return edited.ok() ? *edited : std::string(edited.status().message());
}

constexpr char kManifest[] = R"({
  "name": "x",
  "scripts": {
    "a": "echo \"}\" {",
    "b": "two" ,
    "c": "three"
  },
  "nested": { "scripts": { "a": 1 } }
}
)";

TEST(ManifestEditTest, TakesOutMembersAndLeavesTheRest) {
  EXPECT_EQ(Without(kManifest, {"a"}), R"({
  "name": "x",
  "scripts": {
    "b": "two",
    "c": "three"
  },
  "nested": { "scripts": { "a": 1 } }
}
)");
  EXPECT_EQ(Without(kManifest, {"b", "c", "no"}), R"({
  "name": "x",
  "scripts": {
    "a": "echo \"}\" {"
  },
  "nested": { "scripts": { "a": 1 } }
}
)");
}

TEST(ManifestEditTest, NothingIsLeftOfAnEmptyList) {
  EXPECT_EQ(Without(kManifest, {"a", "b", "c"}), R"({
  "name": "x",
  "scripts": {},
  "nested": { "scripts": { "a": 1 } }
}
)");
  EXPECT_EQ(Without(R"({"scripts":{"a":"b"}})", {"a"}), R"({"scripts":{}})");
  EXPECT_EQ(Without(R"({"scripts":{}})", {"a"}), R"({"scripts":{}})");
}

TEST(ManifestEditTest, KeysMayBeEscapedAndLinesEndInAnyWay) {
  EXPECT_EQ(Without("{\r\n\"scripts\":{\r\n\"\\u0061\":\"x\",\r\n\"b\":\"y\"}}",
                    {"a"}),
            "{\r\n\"scripts\":{\r\n\"b\":\"y\"}}");
}

TEST(ManifestEditTest, WithoutScriptsThereIsNothingToTakeOut) {
  EXPECT_EQ(Without(R"({"a": ["scripts", {}]})", {"a"}), "no object `scripts`");
}

}  // namespace
}  // namespace vt::migrate
