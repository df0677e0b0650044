// SPDX-License-Identifier: Apache-2.0

#include "daemon/run/json_difference.h"

#include "absl/strings/escaping.h"

#include "daemon/base/json_text.h"
#include "daemon/run/caller.h"

namespace vt::run {
namespace {

using base::JsonObject;
using vtask::v1::Difference;

const char* ChangeOf(const Difference& difference) {
  return difference.change() == Difference::ADDED     ? "added"
         : difference.change() == Difference::REMOVED ? "removed"
                                                      : "changed";
}

void AddFromTo(const Difference& difference, JsonObject* out) {
  // The root's path is empty with us.
  const auto shown = [&](const std::string& text) {
    return text.empty() ? std::string(".") : text;
  };
  out->AddString("from", shown(difference.from()));
  out->AddString("to", shown(difference.to()));
}

const char* SeenAs(Difference::Seen seen) {
  switch (seen) {
    case Difference::READ:
      return "content";
    case Difference::LISTED:
      return "listing";
    case Difference::DECLARED:
      return "input";
    case Difference::LINK:
      return "link";
    default:
      return "existence";
  }
}

void AddDigests(const Difference& difference, JsonObject* out) {
  if (!difference.old_digest().empty()) {
    out->AddString("oldDigest",
                   absl::BytesToHexString(difference.old_digest()));
  }
  if (!difference.new_digest().empty()) {
    out->AddString("newDigest",
                   absl::BytesToHexString(difference.new_digest()));
  }
  if (difference.kind() == Difference::FILE) {
    out->AddString("seen", SeenAs(difference.seen()));
  }
}

}  // namespace

std::string DifferenceJson(const Difference& difference, bool with_digests) {
  JsonObject out;
  const auto named = [&](const char* kind, const char* key,
                         const std::string& value) {
    out.AddString("kind", kind);
    out.AddString(key, value);
    out.AddString("change", ChangeOf(difference));
  };
  const auto config = [&](const char* setting) {
    out.AddString("kind", "config");
    out.AddString("setting", setting);
  };
  switch (difference.kind()) {
    case Difference::PROGRAM:
      out.AddString("kind", "program");
      AddFromTo(difference, &out);
      break;
    case Difference::ARGS:
      out.AddString("kind", "args");
      out.Add("from", base::JsonStrings(Strings(difference.from_args())));
      out.Add("to", base::JsonStrings(Strings(difference.to_args())));
      break;
    case Difference::CWD:
      out.AddString("kind", "cwd");
      AddFromTo(difference, &out);
      break;
    case Difference::INPUT_CONFIG:
      config("input");
      break;
    case Difference::OUTPUT_CONFIG:
      config("output");
      break;
    case Difference::UNTRACKED_ENV:
      config("untrackedEnv");
      break;
    case Difference::CACHE_CONFIG:
      config("cache");
      break;
    case Difference::ENV:
      named("env", "name", difference.name());
      break;
    case Difference::FILE:
      named("file", "path", difference.path());
      break;
    case Difference::TOOLCHAIN:
      named("toolchain", "path", difference.path());
      break;
    case Difference::UMASK:
      out.AddString("kind", "umask");
      break;
    case Difference::TOOL_VALUE:
      named("toolValue", "name", difference.name());
      break;
    default:
      out.AddString("kind", "format");
      break;
  }
  if (with_digests) {
    AddDigests(difference, &out);
  }
  return out.Text();
}

std::string DifferencesJson(const std::vector<Difference>& differences) {
  std::vector<std::string> json;
  json.reserve(differences.size());
  for (const Difference& difference : differences) {
    json.push_back(DifferenceJson(difference, /*with_digests=*/true));
  }
  return base::JsonArray(json);
}

}  // namespace vt::run
