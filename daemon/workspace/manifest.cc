// SPDX-License-Identifier: Apache-2.0

#include "daemon/workspace/manifest.h"

#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

#include "daemon/base/json.h"
#include "daemon/base/path.h"
#include "daemon/base/status.h"

namespace vt::workspace {
namespace {

std::string StringOr(const base::Json* json) {
  return json != nullptr && json->is_string() ? json->text : "";
}

absl::Status ReadWorkspaces(const base::Json& json, Manifest* out) {
  const base::Json* list = json.is_object() ? json.Find("packages") : &json;
  out->workspaces.emplace();
  if (list == nullptr || list->type == base::Json::Type::kNull) {
    return absl::OkStatus();
  }
  auto wrong = [out](const base::Json& at, absl::string_view expected) {
    return absl::InvalidArgumentError(absl::StrCat(
        out->file, ":", at.line, ":", at.column, ": `workspaces`: found ",
        Describe(at), ", expected ", expected));
  };
  if (!list->is_array()) {
    return wrong(*list, "an array of patterns, or an object with `packages`");
  }
  for (const base::Json& item : list->items) {
    if (!item.is_string()) {
      return wrong(item, "a pattern");
    }
    out->workspaces->push_back({item.text, out->file, item.line, item.column});
  }
  return absl::OkStatus();
}

void ReadScripts(const base::Json& json, Manifest* out) {
  const std::string directory(base::Dirname(out->file));
  for (const base::JsonMember& member : json.members) {
    if (!member.value.is_string()) {
      continue;
    }
    Task script;
    script.name = member.key;
    script.commands = {member.value.text};
    script.is_script = true;
    script.cwd = directory;
    script.position = {out->file, member.line, member.column};
    out->scripts.push_back(std::move(script));
  }
}

}  // namespace

const std::vector<std::string>& DependencyFields() {
  static const std::vector<std::string>* const fields =
      new std::vector<std::string>{"dependencies", "devDependencies",
                                   "peerDependencies", "optionalDependencies"};
  return *fields;
}

absl::StatusOr<Manifest> ParseManifest(absl::string_view text,
                                       absl::string_view file) {
  VT_ASSIGN_OR_RETURN(const base::Json json,
                      base::ParseJson(text, base::JsonDialect::kStrict, file));
  if (!json.is_object()) {
    return absl::InvalidArgumentError(
        absl::StrCat(file, ":", json.line, ":", json.column, ": found ",
                     Describe(json), ", expected an object"));
  }
  Manifest manifest;
  manifest.file = std::string(file);
  manifest.name = StringOr(json.Find("name"));
  manifest.version = StringOr(json.Find("version"));
  if (const base::Json* scripts = json.Find("scripts"); scripts != nullptr) {
    ReadScripts(*scripts, &manifest);
  }
  for (const std::string& field : DependencyFields()) {
    const base::Json* entries = json.Find(field);
    if (entries == nullptr) {
      continue;
    }
    for (const base::JsonMember& member : entries->members) {
      if (member.value.is_string()) {
        manifest.dependencies.push_back({field, member.key, member.value.text});
      }
    }
  }
  const base::Json* workspaces = json.Find("workspaces");
  if (workspaces != nullptr && workspaces->type != base::Json::Type::kNull) {
    VT_RETURN_IF_ERROR(ReadWorkspaces(*workspaces, &manifest));
  }
  return manifest;
}

}  // namespace vt::workspace
