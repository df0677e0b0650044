// SPDX-License-Identifier: Apache-2.0
//
// nx.json, project.json and the `nx` field of package.json, as the
// documentation of Nx describes them (nx.dev/reference).

#pragma once

#include <optional>

#include "absl/status/statusor.h"

#include "daemon/migrate/new_config.h"
#include "daemon/migrate/project.h"

namespace vt::migrate {

// nullopt: there is neither an nx.json nor a project.json.
absl::StatusOr<std::optional<Converted>> ConvertNx(const Project& project);

}  // namespace vt::migrate
