// SPDX-License-Identifier: Apache-2.0
//
// One `--filter` token (R-SEL-7 to R-SEL-17, X-7): parsing and matching.

#pragma once

#include <set>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

#include "daemon/plan/plan.h"
#include "daemon/workspace/workspace.h"

namespace vt::plan {

// A parsed token. Immutable once parsed.
struct Filter {
  std::string token;          // as typed
  bool exclude = false;       // `!…`
  bool dependencies = false;  // `…...`
  bool dependents = false;    // `...…`
  bool without_self = false;  // a `^`
  bool by_name = false;
  std::string name;
  bool by_directory = false;
  std::string directory;  // relative to the caller's directory
  std::string since;      // `[ref]`: packages changed since then; "": any
};

// INVALID_ARGUMENT: it selects nothing by its form, or a glob does not parse.
absl::StatusOr<Filter> ParseFilter(absl::string_view token);

// What it selects (whether it excludes is the caller's business).
// FAILED_PRECONDITION: git cannot say what has changed. Blocking with `since`.
absl::StatusOr<std::set<int>> ApplyFilter(const workspace::Workspace& workspace,
                                          const Filter& filter,
                                          const CallerFacts& caller);

// Packages called `name`; if none is, those called `@any/name` (R-SEL-8).
std::vector<int> PackagesByName(const workspace::Workspace& workspace,
                                absl::string_view name);

// `packages` and all their dependencies in the workspace, transitively.
std::set<int> WithDependencies(const workspace::Workspace& workspace,
                               std::set<int> packages);

}  // namespace vt::plan
