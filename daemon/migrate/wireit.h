// SPDX-License-Identifier: Apache-2.0
//
// The `wireit` field of package.json, as its README describes it
// (github.com/google/wireit).

#pragma once

#include <optional>

#include "absl/status/statusor.h"

#include "daemon/migrate/new_config.h"
#include "daemon/migrate/project.h"

namespace vt::migrate {

// nullopt: no package has one.
absl::StatusOr<std::optional<Converted>> ConvertWireit(const Project& project);

}  // namespace vt::migrate
