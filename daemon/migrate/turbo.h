// SPDX-License-Identifier: Apache-2.0
//
// turbo.json, of version 1 (`pipeline`) and 2 (`tasks`), of the root and of
// packages. As its documentation describes them (turborepo.com/docs).

#pragma once

#include <optional>

#include "absl/status/statusor.h"

#include "daemon/migrate/new_config.h"
#include "daemon/migrate/project.h"

namespace vt::migrate {

// nullopt: there is no turbo.json. INVALID_ARGUMENT: it does not parse.
absl::StatusOr<std::optional<Converted>> ConvertTurbo(const Project& project);

}  // namespace vt::migrate
