// SPDX-License-Identifier: Apache-2.0

#include "daemon/workspace/config.h"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"

#include "daemon/base/glob.h"
#include "daemon/base/json_reader.h"
#include "daemon/base/path.h"
#include "daemon/base/status.h"

namespace vt::workspace {
namespace {

using base::Contains;
using base::InBackquotes;
using base::ItemOf;
using base::Json;
using base::JsonMember;
using base::KeyBelow;
using base::Names;

// The keys that there are; docs/schema/vite-task.schema.json has the same
// (tests/e2e/config/test_schema.py).
const Names kRootKeys = {"cache", "tasks", "enablePrePostScripts",
                         "dependencyEdges"};
const Names kTaskKeys = {"command", "cwd", "dependsOn", "cache"};
const Names kOlderKeys = {"env", "untrackedEnv", "input", "output"};
const Names kCacheKeys = {"env",   "untrackedEnv", "input", "output",  "remote",
                          "track", "toolOptOut",   "share", "services"};
const Names kFromFields = {"dependencies", "devDependencies",
                           "peerDependencies"};

// Thread-compatible.
class Reader : private base::JsonReader {
 public:
  explicit Reader(const ConfigPlace& place)
      : JsonReader(place.file, place.key_path),
        place_(place),
        directory_(base::JoinPath(place.root, place.package_path)) {}

  absl::Status Root(const Json& json, Config* out) {
    if (!json.is_object()) {
      return WrongType(json, "", "an object with `tasks`");
    }
    for (const JsonMember& member : json.members) {
      const Json& value = member.value;
      if (member.key == "$schema") {
        VT_RETURN_IF_ERROR(ExpectString(value, member.key));
      } else if (!Contains(kRootKeys, member.key)) {
        return UnknownKey(member, "", kRootKeys);
      } else if (member.key == "tasks") {
        VT_RETURN_IF_ERROR(Tasks(value, &out->tasks));
      } else if (member.key == "cache") {
        VT_RETURN_IF_ERROR(RootOnly(member));
        VT_RETURN_IF_ERROR(RootCache(value, out));
      } else if (member.key == "enablePrePostScripts") {
        VT_RETURN_IF_ERROR(RootOnly(member));
        VT_RETURN_IF_ERROR(ExpectBool(value, member.key));
        out->pre_post_scripts = value.boolean;
      } else {  // `dependencyEdges`
        VT_RETURN_IF_ERROR(RootOnly(member));
        int choice = 0;
        VT_RETURN_IF_ERROR(
            Choice(value, member.key, {"all", "workspace-protocol"}, &choice));
        out->all_edges = choice == 0;
      }
    }
    return absl::OkStatus();
  }

 private:
  // R-CFG-4.
  absl::Status RootOnly(const JsonMember& member) const {
    if (place_.package_path.empty()) {
      return absl::OkStatus();
    }
    return ErrorAt(member.line, member.column,
                   absl::StrCat("`", member.key,
                                "` can only be set in the workspace root "
                                "config, but found in ",
                                directory_));
  }

  // R-CFG-3.
  absl::Status RootCache(const Json& json, Config* out) const {
    if (json.is_bool()) {
      out->cache_scripts = json.boolean;
      out->cache_tasks = json.boolean;
      return absl::OkStatus();
    }
    if (!json.is_object()) {
      return WrongType(json, "cache",
                       "a boolean or an object with `scripts` and `tasks`");
    }
    for (const JsonMember& member : json.members) {
      if (member.key != "scripts" && member.key != "tasks") {
        return UnknownKey(member, "cache", {"scripts", "tasks"});
      }
      VT_RETURN_IF_ERROR(
          ExpectBool(member.value, KeyBelow("cache", member.key)));
      (member.key == "scripts" ? out->cache_scripts : out->cache_tasks) =
          member.value.boolean;
    }
    return absl::OkStatus();
  }

  absl::Status Tasks(const Json& json, std::vector<Task>* out) const {
    if (!json.is_object()) {
      return WrongType(json, "tasks", "an object from task name to task");
    }
    for (const JsonMember& member : json.members) {
      Task task;
      task.name = member.key;
      task.cwd = directory_;
      task.position = {place_.file, member.line, member.column};
      VT_RETURN_IF_ERROR(
          OneTask(member.value, KeyBelow("tasks", member.key), &task));
      out->push_back(std::move(task));
    }
    return absl::OkStatus();
  }

  // R-CFG-10.
  absl::Status Command(const Json& json, const std::string& path,
                       absl::string_view expected, Task* task) const {
    if (json.is_string()) {
      task->commands = {json.text};
      return absl::OkStatus();
    }
    if (!json.is_array()) {
      return WrongType(json, path, expected);
    }
    task->is_array = true;
    return Strings(json, path, &task->commands);
  }

  absl::Status OneTask(const Json& json, const std::string& path,
                       Task* task) const {
    if (!json.is_object()) {
      return Command(
          json, path,
          "a command string, an array of command strings, or a task object",
          task);
    }
    bool has_command = false;
    for (const JsonMember& member : json.members) {
      const std::string below = KeyBelow(path, member.key);
      if (Contains(kOlderKeys, member.key)) {
        continue;  // OlderForm
      }
      if (!Contains(kTaskKeys, member.key)) {
        return UnknownKey(member, path, kTaskKeys);
      }
      if (member.key == "command") {
        has_command = true;
        VT_RETURN_IF_ERROR(Command(member.value, below,
                                   "a string or an array of strings", task));
      } else if (member.key == "cwd") {
        VT_RETURN_IF_ERROR(ExpectString(member.value, below));
        task->cwd =
            base::NormalizePath(base::JoinPath(directory_, member.value.text));
      } else if (member.key == "dependsOn") {
        VT_RETURN_IF_ERROR(Dependencies(member.value, below, task));
      } else {  // `cache`
        VT_RETURN_IF_ERROR(TaskCache(member.value, below, &task->cache));
      }
    }
    if (!has_command) {
      return ErrorAt(json, path,
                     "missing key `command`, a string or an array of strings");
    }
    return OlderForm(json, path, &task->cache);
  }

  // R-CFG-17, R-CFG-18, X-2: settings beside `cache` instead of in it.
  absl::Status OlderForm(const Json& json, const std::string& path,
                         CacheSettings* out) const {
    Names found;
    const JsonMember* first = nullptr;
    for (const std::string& name : kOlderKeys) {
      if (json.Find(name) != nullptr) {
        found.push_back(name);
      }
    }
    for (const JsonMember& member : json.members) {
      if (first == nullptr && Contains(kOlderKeys, member.key)) {
        first = &member;
      }
    }
    if (first == nullptr) {
      return absl::OkStatus();
    }
    const Json* cache = json.Find("cache");
    if (cache != nullptr && cache->is_object()) {
      return ErrorAt(
          first->line, first->column,
          absl::StrCat("`", WholePath(path), "`: ", InBackquotes(found),
                       " must move into `", WholePath(path),
                       ".cache`, which is an object already"));
    }
    if (cache != nullptr && !cache->boolean) {
      return ErrorAt(
          first->line, first->column,
          absl::StrCat("`", WholePath(path), "`: ", InBackquotes(found),
                       " cannot be set with `cache: false`"));
    }
    out->older_form = true;
    for (const JsonMember& member : json.members) {
      if (Contains(kOlderKeys, member.key)) {
        VT_RETURN_IF_ERROR(CacheKey(member, KeyBelow(path, member.key), out));
      }
    }
    return absl::OkStatus();
  }

  absl::Status TaskCache(const Json& json, const std::string& path,
                         CacheSettings* out) const {
    if (json.is_bool()) {
      out->enabled = json.boolean;
      return absl::OkStatus();
    }
    if (!json.is_object()) {
      return WrongType(json, path, "a boolean or an object of cache settings");
    }
    for (const JsonMember& member : json.members) {
      if (!Contains(kCacheKeys, member.key)) {
        return UnknownKey(member, path, kCacheKeys);
      }
      VT_RETURN_IF_ERROR(CacheKey(member, KeyBelow(path, member.key), out));
    }
    return absl::OkStatus();
  }

  // `member` is one of kCacheKeys.
  absl::Status CacheKey(const JsonMember& member, const std::string& path,
                        CacheSettings* out) const {
    const Json& value = member.value;
    const std::string& key = member.key;
    int choice = 0;
    if (key == "env") {
      return Patterns(value, path, &out->env);
    }
    if (key == "untrackedEnv") {
      return Patterns(value, path, &out->untracked_env);
    }
    if (key == "input") {
      return Files(value, path, &out->input);
    }
    if (key == "output") {
      return Files(value, path, &out->output);
    }
    if (key == "services") {
      return Patterns(value, path, &out->services);
    }
    if (key == "track") {
      VT_RETURN_IF_ERROR(ExpectBool(value, path));
      out->track = value.boolean;
      return absl::OkStatus();
    }
    if (key == "toolOptOut") {
      VT_RETURN_IF_ERROR(Choice(value, path, {"honor", "ignore"}, &choice));
      out->honor_tool_opt_out = choice == 0;
      return absl::OkStatus();
    }
    if (key == "share") {
      VT_RETURN_IF_ERROR(Choice(value, path, {"auto", "root"}, &choice));
      out->share_root_only = choice == 1;
      return absl::OkStatus();
    }
    return ExpectBool(value, path);  // `remote`: accepted, no effect
  }

  // Flat patterns, `!` in front excludes (R-ENV-5).
  absl::Status Patterns(const Json& json, absl::string_view path,
                        std::vector<std::string>* out) const {
    VT_RETURN_IF_ERROR(Strings(json, path, out));
    for (size_t i = 0; i < json.items.size(); ++i) {
      absl::string_view pattern = json.items[i].text;
      absl::ConsumePrefix(&pattern, "!");
      const absl::Status status =
          base::Glob::Parse(pattern, base::Glob::Style::kFlat).status();
      if (!status.ok()) {
        return ErrorAt(json.items[i], ItemOf(path, i), status.message());
      }
    }
    return absl::OkStatus();
  }

  // `cache.input` and `cache.output` (R-IN-1 to R-IN-7).
  absl::Status Files(const Json& json, absl::string_view path,
                     FileSetting* out) const {
    constexpr absl::string_view kExpected =
        "a glob string, `{auto: boolean}`, or `{pattern, base}`";
    if (!json.is_array()) {
      return WrongType(json, path, absl::StrCat("an array, each ", kExpected));
    }
    out->automatic = false;
    for (size_t i = 0; i < json.items.size(); ++i) {
      const Json& item = json.items[i];
      const std::string at = ItemOf(path, i);
      if (item.is_string()) {
        VT_RETURN_IF_ERROR(
            AddGlob(item, at, item.text, place_.package_path, out));
      } else if (!item.is_object()) {
        return WrongType(item, at, kExpected);
      } else if (item.Find("auto") != nullptr) {
        VT_RETURN_IF_ERROR(Automatic(item, at, out));
      } else {
        VT_RETURN_IF_ERROR(BasedGlob(item, at, out));
      }
    }
    return absl::OkStatus();
  }

  absl::Status Automatic(const Json& json, const std::string& path,
                         FileSetting* out) const {
    for (const JsonMember& member : json.members) {
      if (member.key != "auto") {
        return UnknownKey(member, path, {"auto"});
      }
      VT_RETURN_IF_ERROR(ExpectBool(member.value, KeyBelow(path, "auto")));
      out->automatic = out->automatic || member.value.boolean;
    }
    return absl::OkStatus();
  }

  absl::Status BasedGlob(const Json& json, const std::string& path,
                         FileSetting* out) const {
    const Json* pattern = nullptr;
    int base = -1;
    for (const JsonMember& member : json.members) {
      const std::string below = KeyBelow(path, member.key);
      if (member.key == "pattern") {
        VT_RETURN_IF_ERROR(ExpectString(member.value, below));
        pattern = &member.value;
      } else if (member.key == "base") {
        VT_RETURN_IF_ERROR(
            Choice(member.value, below, {"workspace", "package"}, &base));
      } else {
        return UnknownKey(member, path, {"pattern", "base", "auto"});
      }
    }
    if (pattern == nullptr || base < 0) {
      return ErrorAt(
          json, path,
          absl::StrCat("missing key `", pattern == nullptr ? "pattern" : "base",
                       "`; expected `{pattern: string, base: "
                       "\"workspace\" | \"package\"}` or `{auto: "
                       "boolean}`"));
    }
    return AddGlob(*pattern, KeyBelow(path, "pattern"), pattern->text,
                   base == 0 ? absl::string_view("") : place_.package_path,
                   out);
  }

  absl::Status AddGlob(const Json& json, absl::string_view path,
                       absl::string_view pattern, absl::string_view base,
                       FileSetting* out) const {
    GlobSetting glob;
    while (absl::ConsumePrefix(&pattern, "!")) {
      glob.negative = !glob.negative;
    }
    absl::StatusOr<std::string> relative = RootRelativeGlob(base, pattern);
    if (!relative.ok()) {
      return ErrorAt(json, path, relative.status().message());
    }
    glob.pattern = *std::move(relative);
    out->globs.push_back(std::move(glob));
    return absl::OkStatus();
  }

  // R-CFG-20, R-CFG-21.
  absl::Status Dependencies(const Json& json, const std::string& path,
                            Task* task) const {
    if (!json.is_array()) {
      return WrongType(json, path,
                       "an array, each a task name or `{task, from}`");
    }
    for (size_t i = 0; i < json.items.size(); ++i) {
      const Json& item = json.items[i];
      DependsOn depends;
      depends.position = {place_.file, item.line, item.column};
      if (item.is_string()) {
        depends.task = item.text;
        const size_t hash = item.text.rfind('#');
        if (hash != std::string::npos) {
          depends.package = item.text.substr(0, hash);
          depends.task = item.text.substr(hash + 1);
        }
      } else if (item.is_object()) {
        VT_RETURN_IF_ERROR(FromFields(item, ItemOf(path, i), &depends));
      } else {
        return WrongType(item, ItemOf(path, i),
                         "a task name or `{task, from}`");
      }
      task->depends_on.push_back(std::move(depends));
    }
    return absl::OkStatus();
  }

  absl::Status FromFields(const Json& json, const std::string& path,
                          DependsOn* out) const {
    bool has_task = false;
    for (const JsonMember& member : json.members) {
      const std::string below = KeyBelow(path, member.key);
      const Json& value = member.value;
      if (member.key == "task") {
        VT_RETURN_IF_ERROR(ExpectString(value, below));
        out->task = value.text;
        has_task = true;
      } else if (member.key == "from") {
        VT_RETURN_IF_ERROR(From(value, below, out));
      } else {
        return UnknownKey(member, path, {"task", "from"});
      }
    }
    if (!has_task || out->from.empty()) {
      return ErrorAt(json, path,
                     absl::StrCat("missing key `", has_task ? "from" : "task",
                                  "`; expected `{task, from}`"));
    }
    return absl::OkStatus();
  }

  absl::Status From(const Json& json, const std::string& path,
                    DependsOn* out) const {
    if (json.is_array() && json.items.empty()) {
      return ErrorAt(json, path,
                     absl::StrCat("found an empty array, expected at least "
                                  "one of ",
                                  InBackquotes(kFromFields)));
    }
    const size_t count = json.is_array() ? json.items.size() : 1;
    for (size_t i = 0; i < count; ++i) {
      const Json& item = json.is_array() ? json.items[i] : json;
      int choice = 0;
      VT_RETURN_IF_ERROR(Choice(item, json.is_array() ? ItemOf(path, i) : path,
                                kFromFields, &choice));
      out->from.push_back(kFromFields[static_cast<size_t>(choice)]);
    }
    return absl::OkStatus();
  }

  const ConfigPlace& place_;
  const std::string directory_;
};

}  // namespace

absl::StatusOr<std::string> RootRelativeGlob(absl::string_view package_path,
                                             absl::string_view pattern) {
  VT_RETURN_IF_ERROR(
      base::Glob::Parse(pattern, base::Glob::Style::kPath).status());
  if (absl::StartsWith(pattern, "/")) {
    return absl::InvalidArgumentError(absl::StrCat(
        "glob pattern '", pattern, "' is absolute, expected a relative one"));
  }
  std::vector<std::string> parts;
  for (const absl::string_view part :
       absl::StrSplit(package_path, '/', absl::SkipEmpty())) {
    parts.push_back(base::Glob::Escape(part));
  }
  const std::vector<absl::string_view> mine = absl::StrSplit(pattern, '/');
  for (size_t i = 0; i < mine.size(); ++i) {
    if (mine[i] == "..") {
      if (parts.empty()) {
        return absl::InvalidArgumentError(
            absl::StrCat("glob pattern '", pattern,
                         "' resolves outside the workspace root"));
      }
      parts.pop_back();
    } else if (!mine[i].empty() && mine[i] != ".") {
      parts.emplace_back(mine[i]);
    }
  }
  if (absl::EndsWith(pattern, "/")) {
    parts.emplace_back("**");
  }
  return absl::StrJoin(parts, "/");
}

absl::StatusOr<Config> ReadConfig(const base::Json& json,
                                  const ConfigPlace& place) {
  Config config;
  VT_RETURN_IF_ERROR(Reader(place).Root(json, &config));
  return config;
}

}  // namespace vt::workspace
