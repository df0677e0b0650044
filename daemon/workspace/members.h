// SPDX-License-Identifier: Apache-2.0
//
// Which directories belong to a workspace: its root, and the member patterns of
// the package managers (spec/runner.md R-WS-2, R-WS-3).

#pragma once

#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

#include "daemon/base/glob.h"
#include "daemon/workspace/manifest.h"

namespace vt::workspace {

// The patterns of one workspace file. Immutable.
class MemberPatterns {
 public:
  // INVALID_ARGUMENT: a pattern does not parse; names where it stands.
  static absl::StatusOr<MemberPatterns> Parse(
      const std::vector<MemberPattern>& patterns);

  // Whether the directory at `path`, relative to the root, is chosen: the last
  // pattern that matches decides; nothing inside `node_modules` is.
  bool Includes(absl::string_view path) const;
  // The patterns that choose, relative to the root.
  std::vector<std::string> Positive() const;
  // Directories below absolute `root` that are chosen and hold a package.json,
  // relative, sorted by bytes, without the root itself. Blocking.
  std::vector<std::string> Find(const std::string& root) const;

 private:
  struct Entry {
    base::Glob glob;
    bool negative = false;
  };
  void Walk(const std::string& root, const std::string& path,
            std::vector<std::string>* out) const;

  std::vector<Entry> entries_;
};

// The root of the workspace that absolute `cwd` is in.
struct Root {
  std::string directory;
  bool has_manifest = false;
  // Set if it is a workspace; unset: a lone package.
  std::optional<MemberPatterns> members;
};

// NOT_FOUND: no package.json and no workspace file in `cwd` or above.
// INVALID_ARGUMENT: one of them does not parse. Blocking.
absl::StatusOr<Root> FindRoot(absl::string_view cwd);

}  // namespace vt::workspace
