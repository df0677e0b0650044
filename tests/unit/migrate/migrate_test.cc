// SPDX-License-Identifier: Apache-2.0

#include "daemon/migrate/migrate.h"

#include <filesystem>
#include <fstream>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/support/status_matchers.h"
#include "tests/support/temp_dir.h"

namespace vt::migrate {
namespace {

using testing::HasSubstr;
using testing::Not;

class MigrateSchemaTest : public testing::Test {
 protected:
  MigrateSchemaTest() {
    Write("package.json",
          R"({"workspaces": ["packages/*"], "scripts": {"build": "x"}})");
    Write("packages/a/package.json", R"({"scripts": {"build": "y"}})");
    Write("turbo.json", R"({"tasks": {"build": {}, "//#build": {}}})");
  }

  void Write(const std::string& name, const std::string& text) const {
    const std::filesystem::path path = dir_.path() / name;
    std::filesystem::create_directories(path.parent_path());
    std::ofstream(path) << text;
  }
  // What a dry run with the schema at `name` prints.
  std::string With(const std::string& name) const {
    MigrateOptions options;
    options.dry_run = true;
    options.schema = dir_.path() / name;
    options.home = dir_.path() / "home";
    const auto text = Migrate(dir_.path(), options);
    EXPECT_THAT(text, test::IsOk());
    return text.value_or("");
  }

  test::TempDir dir_;
};

TEST_F(MigrateSchemaTest, InTheWorkspaceItIsARelativePath) {
  Write("node_modules/vtask/s.json", "{}");
  const std::string text = With("node_modules/vtask/s.json");
  EXPECT_THAT(text, HasSubstr(R"("$schema": "./node_modules/vtask/s.json")"));
  EXPECT_THAT(text,
              HasSubstr(R"("$schema": "../../node_modules/vtask/s.json")"));
}

TEST_F(MigrateSchemaTest, OutsideItIsAUrl) {
  const test::TempDir elsewhere;
  std::ofstream(elsewhere.path() / "s.json") << "{}";
  const std::string schema = elsewhere.path() / "s.json";
  EXPECT_THAT(With(schema),
              HasSubstr("\"$schema\": \"file://" + schema + "\""));
}

TEST_F(MigrateSchemaTest, WhatOnlyThisUserHasIsLeftOut) {
  const test::TempDir elsewhere;
  std::ofstream(elsewhere.path() / "s.json") << "{}";
  MigrateOptions options;
  options.dry_run = true;
  options.schema = elsewhere.path() / "s.json";
  options.home = elsewhere.path();
  EXPECT_THAT(Migrate(dir_.path(), options).value_or("$schema"),
              Not(HasSubstr("$schema")));
  Write("node_modules/.pnpm/vtask@1/s.json", "{}");
  EXPECT_THAT(With("node_modules/.pnpm/vtask@1/s.json"),
              Not(HasSubstr("$schema")));
  EXPECT_THAT(With("node_modules/none.json"), Not(HasSubstr("$schema")));
}

}  // namespace
}  // namespace vt::migrate
