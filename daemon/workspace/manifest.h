// SPDX-License-Identifier: Apache-2.0
//
// Manifest: what vtask wants to know of one package.json.

#pragma once

#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

#include "daemon/workspace/pnpm_workspace.h"
#include "daemon/workspace/workspace.h"

namespace vt::workspace {

struct DeclaredDependency {
  std::string field;
  std::string name;
  std::string value;
};

// Immutable once read.
struct Manifest {
  std::string file;  // absolute
  std::string name;
  std::string version;
  // From `scripts`; `cwd` is the directory of `file`.
  std::vector<Task> scripts;
  // In the order of the fields below, then of the file.
  std::vector<DeclaredDependency> dependencies;
  // `workspaces`, an array or an object with `packages`; nullopt if absent.
  std::optional<std::vector<MemberPattern>> workspaces;
};

// `dependencies`, `devDependencies`, `peerDependencies`,
// `optionalDependencies`.
const std::vector<std::string>& DependencyFields();

// Members of a type that no package manager would use are passed over, as Node
// does. INVALID_ARGUMENT: `text` is no JSON object, or `workspaces` is no list;
// names file, line and column.
absl::StatusOr<Manifest> ParseManifest(absl::string_view text,
                                       absl::string_view file);

}  // namespace vt::workspace
