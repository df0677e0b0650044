// SPDX-License-Identifier: Apache-2.0

#include "daemon/settings/settings_file.h"

#include <filesystem>
#include <fstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/status_matchers.h"
#include "tests/support/temp_dir.h"

namespace vt::settings {
namespace {

class SettingsFileTest : public testing::Test {
 protected:
  void Write(const std::string& text) const { std::ofstream(path_) << text; }

  test::TempDir temp_;
  const std::string path_ = temp_.path() / "config.json";
};

TEST_F(SettingsFileTest, AChangeCountsFromTheNextRefreshOn) {
  SettingsFile file(path_);
  EXPECT_EQ(file.Refresh()->concurrency, "4");
  Write(R"({"concurrency": 7})");
  EXPECT_EQ(file.Last().concurrency, "4");
  EXPECT_EQ(file.Refresh()->concurrency, "7");
  EXPECT_EQ(file.Last().concurrency, "7");
  std::filesystem::remove(path_);
  EXPECT_EQ(file.Refresh()->concurrency, "4");
}

TEST_F(SettingsFileTest, AFaultIsToldAndWhatCountedGoesOnToCount) {
  Write(R"({"concurrency": 7})");
  SettingsFile file(path_);
  EXPECT_THAT(file.Refresh(), test::IsOk());
  Write(R"({"concurrency": "x"})");
  EXPECT_THAT(file.Refresh(), testing::Not(test::IsOk()));
  EXPECT_THAT(file.Refresh(), testing::Not(test::IsOk()));
  EXPECT_THAT(file.problem(), testing::Not(test::IsOk()));
  EXPECT_EQ(file.Last().concurrency, "7");
  Write(R"({"concurrency": 7})");
  EXPECT_THAT(file.Refresh(), test::IsOk());
  EXPECT_THAT(file.problem(), test::IsOk());
}

TEST_F(SettingsFileTest, WhatOverrulesWins) {
  Write(R"({"idleExit": 7})");
  SettingsFile file(path_, [](Settings* settings) {
    settings->idle_exit = absl::Seconds(1);
    settings->origins["idleExit"] = "VT_IDLE_EXIT";
  });
  EXPECT_EQ(file.Last().idle_exit, absl::Seconds(1));
  ASSERT_THAT(file.Refresh(), test::IsOk());
  EXPECT_EQ(file.Last().idle_exit, absl::Seconds(1));
  EXPECT_EQ(file.Last().origins.at("idleExit"), "VT_IDLE_EXIT");
}

TEST_F(SettingsFileTest, WithoutAPlaceThereAreTheDefaults) {
  SettingsFile file("");
  EXPECT_EQ(file.Refresh()->concurrency, "4");
}

TEST_F(SettingsFileTest, AFileThatCannotBeReadIsAFault) {
  std::filesystem::create_directory(path_);
  SettingsFile file(path_);
  EXPECT_THAT(file.Refresh(), testing::Not(test::IsOk()));
}

}  // namespace
}  // namespace vt::settings
