// SPDX-License-Identifier: Apache-2.0

#include "daemon/settings/settings.h"

#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/status_matchers.h"

namespace vt::settings {
namespace {

using testing::HasSubstr;

absl::StatusOr<Settings> Read(absl::string_view text) {
  return ReadSettings(text, "/e/config.json");
}

TEST(SettingsTest, WhatIsNotSetHasItsDefault) {
  for (const char* text : {"", "\n", "{}", "{ /* nothing */ }"}) {
    const auto settings = Read(text);
    ASSERT_THAT(settings, test::IsOk()) << text;
    EXPECT_EQ(settings->cache_dir, "");
    EXPECT_EQ(settings->cache_max_size, 10'737'418'240U);
    EXPECT_EQ(settings->cache_max_age, absl::Hours(720));
    EXPECT_EQ(settings->idle_exit, absl::Hours(3));
    EXPECT_EQ(settings->drain_timeout, absl::InfiniteDuration());
    EXPECT_EQ(settings->tool_drain_timeout, absl::Seconds(2));
    EXPECT_EQ(settings->concurrency, "4");
    EXPECT_FALSE(settings->strict_tracking);
    EXPECT_TRUE(settings->toolchain_executed);
    EXPECT_TRUE(settings->origins.empty());
  }
}

TEST(SettingsTest, EveryKeyIsRead) {
  const auto settings = Read(R"({
    "$schema": "file:///s.json",
    "cacheDir": "/big/./vtask/",
    "cacheMaxSize": "1.5 GB",
    "cacheMaxAge": "2w",
    "idleExit": "never",
    "drainTimeout": 0,
    "concurrency": "50%",
    "strictTracking": true, "toolDrainTimeout": "5s",
    "machineConcurrency": 6, "jobserver": true,
    "toolchain": "none", // and a comma
  })");
  ASSERT_THAT(settings, test::IsOk());
  EXPECT_EQ(settings->cache_dir, "/big/vtask");
  EXPECT_EQ(settings->cache_max_size, 1'500'000'000U);
  EXPECT_EQ(settings->cache_max_age, absl::Hours(336));
  EXPECT_EQ(settings->idle_exit, absl::InfiniteDuration());
  EXPECT_EQ(settings->drain_timeout, absl::ZeroDuration());
  EXPECT_EQ(settings->tool_drain_timeout, absl::Seconds(5));
  EXPECT_EQ(settings->concurrency, "50%");
  EXPECT_EQ(settings->machine_concurrency, "6");
  EXPECT_TRUE(settings->jobserver);
  EXPECT_TRUE(settings->strict_tracking);
  EXPECT_FALSE(settings->toolchain_executed);
  EXPECT_EQ(settings->origins.at("cacheDir"), "/e/config.json:3");
  EXPECT_EQ(settings->origins.at("toolchain"), "/e/config.json:11");
}

TEST(SettingsTest, SizesAndTimesHaveUnits) {
  struct Row {
    const char* text;
    uint64_t bytes;
  };
  for (const Row& row :
       {Row{"7", 7}, Row{"\"7b\"", 7}, Row{"\"2KB\"", 2000},
        Row{"\"2KiB\"", 2048}, Row{"\"0.5 MiB\"", 524288},
        Row{"\"3gb\"", 3'000'000'000}, Row{"\"1TiB\"", 1ULL << 40U},
        Row{"\"unlimited\"", kUnlimited}}) {
    const auto settings =
        Read(absl::StrCat("{\"cacheMaxSize\": ", row.text, "}"));
    ASSERT_THAT(settings, test::IsOk()) << row.text;
    EXPECT_EQ(settings->cache_max_size, row.bytes) << row.text;
  }
  struct TimeRow {
    const char* text;
    int seconds;
  };
  for (const TimeRow& row :
       {TimeRow{"90", 90}, TimeRow{"\"90s\"", 90}, TimeRow{"\"2m\"", 120},
        TimeRow{"\"2min\"", 120}, TimeRow{"\"1.5h\"", 5400},
        TimeRow{"\"1d\"", 86400}, TimeRow{"\"1W\"", 604800}}) {
    const auto settings = Read(absl::StrCat("{\"idleExit\": ", row.text, "}"));
    ASSERT_THAT(settings, test::IsOk()) << row.text;
    EXPECT_EQ(settings->idle_exit, absl::Seconds(row.seconds)) << row.text;
  }
}

TEST(SettingsTest, AFaultNamesPlaceKeyFoundAndAllowed) {
  struct Row {
    const char* text;
    std::vector<const char*> parts;
  };
  const Row rows[] = {
      {"[]", {"/e/config.json:1:1: ", "an array", "an object"}},
      {"{\n  \"idleexit\": 1}",
       {":2:3: ", "unknown key `idleexit`", "did you mean `idleExit`?"}},
      {R"({"cacheDir": "x"})", {":1:14: ", "`cacheDir`", "absolute path"}},
      {R"({"cacheMaxSize": "10"})", {"string \"10\"", "10GiB"}},
      {R"({"cacheMaxSize": 0})", {"number 0", "unlimited"}},
      {R"({"cacheMaxSize": "10 apples"})", {"10 apples"}},
      {R"({"cacheMaxSize": "1.2.3GB"})", {"1.2.3GB"}},
      {R"({"cacheMaxAge": "0d"})", {"`cacheMaxAge`", "\"0d\"", "never"}},
      {R"({"idleExit": -5})", {"number -5", "`\"90s\"`"}},
      {R"({"drainTimeout": true})", {"`drainTimeout`", "`true`"}},
      {R"({"concurrency": 0})", {"`concurrency`", "at least 1"}},
      {R"({"concurrency": "many"})", {"\"many\"", "50%"}},
      {R"({"concurrency": null})", {"null"}},
      {R"({"machineConcurrency": 0})", {"`machineConcurrency`", "at least 1"}},
      {R"({"strictTracking": 1})", {"`strictTracking`", "`true` or `false`"}},
      {R"({"toolchain": "exec"})", {"`executed`, `none`"}},
      {R"({"$schema": 1})", {"`$schema`", "a string"}},
      {"{", {"/e/config.json:1:2: "}}};
  for (const Row& row : rows) {
    const auto settings = Read(row.text);
    for (const char* part : row.parts) {
      EXPECT_THAT(settings, test::StatusIs(absl::StatusCode::kInvalidArgument,
                                           HasSubstr(part)))
          << row.text;
    }
  }
}

TEST(SettingsTest, ConcurrencyIsANumberOrAPercentage) {
  EXPECT_EQ(ParseConcurrency("8"), 8);
  EXPECT_EQ(ParseConcurrency("0"), 1);
  EXPECT_GE(ParseConcurrency("1%").value_or(0), 1);
  EXPECT_EQ(ParseConcurrency("200%").value_or(0) % 2, 0);
  for (const char* text : {"", "%", "x", "-1", "+1", " 1", "1.5", "1 %"}) {
    EXPECT_EQ(ParseConcurrency(text), std::nullopt) << text;
  }
}

TEST(SettingsTest, PeopleSeeValuesAsTheyWouldWriteThem) {
  const auto settings = Read(R"({"cacheMaxSize": 1500000000, "idleExit": 90,
    "drainTimeout": "14d", "cacheMaxAge": "never"})");
  ASSERT_THAT(settings, test::IsOk());
  std::vector<std::string> lines;
  for (const Line& line : Describe(*settings)) {
    lines.push_back(absl::StrCat(line.key, "=", line.value, " ", line.origin));
  }
  EXPECT_THAT(
      lines,
      testing::ElementsAre(
          "cacheDir= default", "cacheMaxSize=1500MB /e/config.json:1",
          "cacheMaxAge=never /e/config.json:2", "idleExit=90s /e/config.json:1",
          "drainTimeout=14d /e/config.json:2", "concurrency=4 default",
          "jobserver=false default", "machineConcurrency=fair default",
          "strictTracking=false default", "toolDrainTimeout=2s default",
          "toolchain=executed default"));
}

}  // namespace
}  // namespace vt::settings
