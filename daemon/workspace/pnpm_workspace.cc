// SPDX-License-Identifier: Apache-2.0

#include "daemon/workspace/pnpm_workspace.h"

#include <exception>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"

#include <yaml-cpp/yaml.h>

namespace vt::workspace {
namespace {

absl::Status ErrorAt(absl::string_view file, const YAML::Mark& mark,
                     absl::string_view what) {
  if (mark.is_null()) {
    return absl::InvalidArgumentError(absl::StrCat(file, ": ", what));
  }
  return absl::InvalidArgumentError(
      absl::StrCat(file, ":", mark.line + 1, ":", mark.column + 1, ": ", what));
}

absl::StatusOr<std::vector<MemberPattern>> Read(const std::string& text,
                                                absl::string_view file) {
  std::vector<MemberPattern> patterns;
  const YAML::Node root = YAML::Load(text);
  if (root.IsNull()) {
    return patterns;
  }
  if (!root.IsMap()) {
    return ErrorAt(file, root.Mark(), "expected a map with `packages`");
  }
  const YAML::Node packages = root["packages"];
  if (!packages.IsDefined() || packages.IsNull()) {
    return patterns;
  }
  if (!packages.IsSequence()) {
    return ErrorAt(file, packages.Mark(),
                   "`packages`: expected a list of patterns");
  }
  for (const YAML::Node& entry : packages) {
    if (!entry.IsScalar()) {
      return ErrorAt(file, entry.Mark(), "`packages`: expected a pattern");
    }
    const YAML::Mark mark = entry.Mark();
    patterns.push_back(
        {entry.Scalar(), std::string(file), mark.line + 1, mark.column + 1});
  }
  return patterns;
}

}  // namespace

absl::StatusOr<std::vector<MemberPattern>> ParsePnpmWorkspace(
    absl::string_view text, absl::string_view file) {
  absl::ConsumePrefix(&text, "\xEF\xBB\xBF");
  try {
    return Read(std::string(text), file);
  } catch (const YAML::Exception& error) {
    return ErrorAt(file, error.mark, error.msg);
  } catch (const std::exception& error) {
    return absl::InvalidArgumentError(absl::StrCat(file, ": ", error.what()));
  }
}

}  // namespace vt::workspace
