// SPDX-License-Identifier: Apache-2.0

#include "daemon/migrate/nx_command.h"

#include <algorithm>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"

#include "daemon/base/path.h"

namespace vt::migrate {
namespace {

using base::Json;

// What the executors of Nx's own plugins run, as far as it is one command.
const std::map<std::string, std::string>& Executors() {
  static const auto* const executors = new std::map<std::string, std::string>{
      {"@nx/vite:build", "vite build"},
      {"@nx/vite:dev-server", "vite"},
      {"@nx/vite:preview-server", "vite preview"},
      {"@nx/vite:test", "vitest run"},
      {"@nx/vitest:test", "vitest run"},
      {"@nx/jest:jest", "jest"},
      {"@nx/eslint:lint", "eslint ."},
      {"@nx/linter:eslint", "eslint ."},
      {"@nx/webpack:webpack", "webpack build"},
      {"@nx/rollup:rollup", "rollup -c"},
      {"@nx/next:build", "next build"},
      {"@nx/next:server", "next dev"},
      {"@nx/playwright:playwright", "playwright test"},
      {"@nx/cypress:cypress", "cypress run"},
      {"@nx/storybook:build", "storybook build"},
      {"@nx/storybook:storybook", "storybook dev"}};
  return *executors;
}

// Commands of nx:run-commands run in the root of the workspace unless they say
// where.
void AddRunCommands(const NxProject& project, const Json* options,
                    NewTask* task) {
  std::string cwd;
  std::vector<std::pair<std::string, std::string>> env;
  const auto find = [&](const char* key) {
    return options != nullptr ? options->Find(key) : nullptr;
  };
  if (const Json* commands = find("commands"); commands != nullptr) {
    for (const Json& entry : commands->items) {
      const std::string text =
          entry.is_string() ? entry.text : TextOf(entry.Find("command"));
      if (!text.empty()) {
        task->commands.push_back(text);
      }
    }
    const Json* parallel = find("parallel");
    if (task->commands.size() > 1 &&
        (parallel == nullptr || !parallel->is_bool() || parallel->boolean)) {
      task->notes.emplace_back(
          "ran in parallel; here one after the other: make tasks of them and "
          "depend on those to have them at once");
    }
  }
  if (const std::string command = TextOf(find("command")); !command.empty()) {
    task->commands.push_back(command);
  }
  if (const Json* values = find("env"); values != nullptr) {
    for (const base::JsonMember& member : values->members) {
      env.emplace_back(member.key, member.value.text);
    }
  }
  for (std::string& command : task->commands) {
    command = WithEnv(command, env);
  }
  if (find("args") != nullptr) {
    task->notes.emplace_back("`args` has no equivalent: add them by hand");
  }
  cwd = absl::StrReplaceAll(
      TextOf(find("cwd")),
      {{"{projectRoot}", project.path}, {"{workspaceRoot}", "."}});
  cwd = base::NormalizePath(cwd);
  if (cwd == project.path) {
    task->cwd = "";
  } else if (project.package < 0 || project.path.empty()) {
    task->cwd = cwd.empty() ? "." : cwd;  // the root's configuration
  } else {
    std::string up;
    for (size_t i = 0; i <= static_cast<size_t>(std::count(
                                project.path.begin(), project.path.end(), '/'));
         ++i) {
      absl::StrAppend(&up, i == 0 ? "" : "/", "..");
    }
    task->cwd = cwd.empty() ? up : absl::StrCat(up, "/", cwd);
  }
}

}  // namespace

bool AddNxCommand(const Project& workspace, const NxProject& project,
                  const Members& target, NewTask* task) {
  const std::string executor = TextOf(Get(target, "executor"));
  const Json* options = Get(target, "options");
  if (const std::string command = TextOf(Get(target, "command"));
      !command.empty() || executor == "nx:run-commands" ||
      executor == "@nrwl/workspace:run-commands") {
    AddRunCommands(project, options, task);
    if (!command.empty()) {
      task->commands.insert(task->commands.begin(), command);
    }
    for (std::string& text : task->commands) {
      text = absl::StrReplaceAll(
          text, {{"{projectRoot}", project.path.empty() ? "." : project.path},
                 {"{workspaceRoot}", "."},
                 {"{projectName}", project.name}});
    }
    return !task->commands.empty();
  }
  if (executor == "nx:run-script") {
    const std::string script =
        TextOf(options != nullptr ? options->Find("script") : nullptr);
    if (project.package >= 0 &&
        workspace.Script(project.package, script) != nullptr) {
      *task = workspace.TaskOfScript(project.package, script);
      task->replaces = "";
      return true;
    }
  }
  if (const auto known = Executors().find(executor);
      known != Executors().end()) {
    task->commands = {known->second};
    task->notes.push_back(absl::StrCat(
        "was executor ", executor,
        options != nullptr && !options->members.empty()
            ? ": look whether its options are in the tool's own configuration"
            : ""));
    return true;
  }
  return false;
}

}  // namespace vt::migrate
