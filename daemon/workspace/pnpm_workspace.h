// SPDX-License-Identifier: Apache-2.0
//
// pnpm-workspace.yaml: the only YAML that is read, so yaml-cpp stays in one
// file.

#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace vt::workspace {

// A pattern for member directories, and where it stands.
struct MemberPattern {
  std::string text;
  std::string file;
  int line = 0;
  int column = 0;
};

// The entries of `packages`; none if it is absent or null. INVALID_ARGUMENT:
// "<file>:<line>:<column>: <what is wrong>".
absl::StatusOr<std::vector<MemberPattern>> ParsePnpmWorkspace(
    absl::string_view text, absl::string_view file);

}  // namespace vt::workspace
