// SPDX-License-Identifier: Apache-2.0

#include "daemon/migrate/config_text.h"

#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"

#include "daemon/base/json_text.h"

namespace vt::migrate {
namespace {

using base::JsonString;

std::string Comments(const std::vector<std::string>& lines,
                     absl::string_view indent) {
  std::string out;
  for (const std::string& text : lines) {
    for (const absl::string_view line : absl::StrSplit(text, '\n')) {
      absl::StrAppend(&out, indent, "// ", line, "\n");
    }
  }
  return out;
}

std::string List(const std::vector<std::string>& values) {
  return absl::StrCat("[", absl::StrJoin(values, ", "), "]");
}

std::string Quoted(const std::vector<std::string>& values) {
  std::vector<std::string> quoted;
  for (const std::string& value : values) {
    quoted.push_back(JsonString(value));
  }
  return List(quoted);
}

std::string DependsOnText(const std::vector<NewDependency>& dependencies) {
  std::vector<std::string> texts;
  for (const NewDependency& dependency : dependencies) {
    texts.push_back(
        dependency.of_dependencies
            ? absl::StrCat("{ \"task\": ", JsonString(dependency.task),
                           ", \"from\": [\"dependencies\", "
                           "\"devDependencies\"] }")
            : JsonString(dependency.task));
  }
  return List(texts);
}

// `input` or `output`: what tracking finds, less the exclusions.
std::string FilesText(const std::vector<Exclusion>& exclusions) {
  std::vector<std::string> texts = {"{ \"auto\": true }"};
  for (const Exclusion& exclusion : exclusions) {
    const std::string pattern =
        JsonString(absl::StrCat("!", exclusion.pattern));
    texts.push_back(exclusion.from_root
                        ? absl::StrCat("{ \"pattern\": ", pattern,
                                       ", \"base\": \"workspace\" }")
                        : pattern);
  }
  return List(texts);
}

using Members = std::vector<std::pair<std::string, std::string>>;

std::string Object(const Members& members, absl::string_view indent) {
  std::string out = "{\n";
  for (const auto& [key, value] : members) {
    absl::StrAppend(&out, indent, "  ", JsonString(key), ": ", value,
                    &key == &members.back().first ? "\n" : ",\n");
  }
  return absl::StrCat(out, indent, "}");
}

std::string TaskText(const NewTask& task, absl::string_view indent) {
  Members members;
  members.emplace_back("command", task.commands.size() == 1
                                      ? JsonString(task.commands[0])
                                      : Quoted(task.commands));
  if (!task.cwd.empty()) {
    members.emplace_back("cwd", JsonString(task.cwd));
  }
  if (!task.depends_on.empty()) {
    members.emplace_back("dependsOn", DependsOnText(task.depends_on));
  }
  Members cache;
  if (!task.env.empty()) {
    cache.emplace_back("env", Quoted(task.env));
  }
  if (!task.untracked_env.empty()) {
    cache.emplace_back("untrackedEnv", Quoted(task.untracked_env));
  }
  if (!task.not_input.empty()) {
    cache.emplace_back("input", FilesText(task.not_input));
  }
  if (!task.not_output.empty()) {
    cache.emplace_back("output", FilesText(task.not_output));
  }
  if (!task.cached) {
    members.emplace_back("cache", "false");
  } else if (!cache.empty()) {
    members.emplace_back("cache", Object(cache, absl::StrCat(indent, "  ")));
  } else if (members.size() == 1) {
    return members[0].second;
  }
  return Object(members, indent);
}

}  // namespace

std::string ConfigText(const NewConfig& config, const std::string& origin,
                       const std::string& schema) {
  std::string out = absl::StrCat("// Written by `vt migrate` from ", origin,
                                 ".\n", Comments(config.notes, ""), "{\n");
  if (!schema.empty()) {
    absl::StrAppend(&out, "  \"$schema\": ", JsonString(schema), ",\n");
  }
  absl::StrAppend(&out, "  \"tasks\": {\n");
  for (const NewTask& task : config.tasks) {
    absl::StrAppend(&out, Comments(task.notes, "    "), "    ",
                    JsonString(task.name), ": ", TaskText(task, "    "),
                    &task == &config.tasks.back() ? "\n" : ",\n");
  }
  return absl::StrCat(out, "  }\n}\n");
}

}  // namespace vt::migrate
