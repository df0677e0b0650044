// SPDX-License-Identifier: Apache-2.0
//
// Which packages of a workspace depend on which (R-WS-8, R-WS-10, R-WS-11,
//

#pragma once

#include <vector>

#include "absl/status/status.h"

#include "daemon/workspace/manifest.h"
#include "daemon/workspace/workspace.h"

namespace vt::workspace {

// Fills in Package::dependencies. `manifests[i]` is the one of `packages[i]`.
// With `all_edges` false only `workspace:` makes an edge. INVALID_ARGUMENT: a
// package depends on a name that two packages have.
absl::Status AddEdges(const std::vector<Manifest>& manifests, bool all_edges,
                      std::vector<Package>* packages);

// What `dependsOn` entries name nothing, for Workspace::dependency_errors.
std::vector<std::string> CheckDependsOn(const Workspace& workspace);

}  // namespace vt::workspace
