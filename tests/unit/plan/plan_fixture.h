// SPDX-License-Identifier: Apache-2.0
//
// A workspace in a temporary directory, and plans of it in short forms.

#pragma once

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <string>
#include <variant>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include <gtest/gtest.h>

#include "daemon/plan/command_line.h"
#include "daemon/plan/plan.h"
#include "daemon/workspace/workspace.h"
#include "tests/support/temp_dir.h"

namespace vt::plan {

class PlanTest : public testing::Test {
 protected:
  void Write(const std::string& path, const std::string& text) {
    const std::filesystem::path file = root() / path;
    std::filesystem::create_directories(file.parent_path());
    std::ofstream(file) << text;
  }
  void WriteProgram(const std::string& path) {
    Write(path, "#!/bin/sh\n");
    std::filesystem::permissions(root() / path,
                                 std::filesystem::perms::owner_all);
  }
  // A member with scripts `build` and, if not empty, more JSON members.
  void WritePackage(const std::string& name, const std::string& dependencies,
                    const std::string& scripts) {
    std::vector<std::string> entries;
    for (const char& c : dependencies) {
      entries.push_back(
          absl::StrCat("\"", std::string(1, c), "\": \"workspace:*\""));
    }
    Write(absl::StrCat("p/", name, "/package.json"),
          absl::StrCat("{\"name\": \"", name, "\", \"dependencies\": {",
                       absl::StrJoin(entries, ","), "}, \"scripts\": {",
                       scripts, "}}"));
  }
  void WriteRoot(const std::string& scripts = "") {
    Write("package.json",
          absl::StrCat(R"({"name": "root", "workspaces": ["p/*"],
                          "scripts": {)",
                       scripts, "}}"));
  }
  std::filesystem::path root() const {
    return std::filesystem::canonical(dir_.path());
  }

  absl::StatusOr<Plan> Make(std::vector<std::string> args) const {
    args.insert(args.begin(), {"vt", "run"});
    absl::StatusOr<Command> command = ParseCommandLine(args);
    if (!command.ok()) {
      return command.status();
    }
    const std::string cwd = (root() / cwd_).string();
    const auto workspace = workspace::Load(cwd);
    if (!workspace.ok()) {
      return workspace.status();
    }
    return MakePlan(**workspace, std::get<RunFlags>(*command),
                    {cwd, env_, inside_, settings_});
  }
  // "label<dep,dep>" of each task, in order; or the error.
  std::vector<std::string> Tasks(const std::vector<std::string>& args) const {
    const auto plan = Make(args);
    if (!plan.ok()) {
      return {std::string(plan.status().message())};
    }
    std::vector<std::string> out;
    for (const PlannedTask& task : plan->tasks) {
      std::vector<std::string> before;
      for (const int dependency : task.depends_on) {
        before.push_back(plan->tasks[static_cast<size_t>(dependency)].label);
      }
      std::sort(before.begin(), before.end());
      out.push_back(absl::StrCat(task.label, before.empty() ? "" : "<",
                                 absl::StrJoin(before, ","),
                                 before.empty() ? "" : ">"));
    }
    return out;
  }
  // What the start lines say.
  std::vector<std::string> Lines(const std::vector<std::string>& args) const {
    const auto plan = Make(args);
    if (!plan.ok()) {
      return {std::string(plan.status().message())};
    }
    std::vector<std::string> out;
    ForEachStep(*plan, [&out](const PlannedTask&, const Step& step) {
      out.push_back(absl::StrCat(step.display_cwd, "$ ", step.display_command));
    });
    return out;
  }

  std::string cwd_;
  std::vector<TaskFrame> inside_;
  settings::Settings settings_;
  base::EnvMap env_ = {{"PATH", "/usr/bin:/bin"}, {"HOME", "/home/x"}};

 private:
  test::TempDir dir_;
};

}  // namespace vt::plan
