// SPDX-License-Identifier: Apache-2.0
//
// A vite-task.json with comments, from a NewConfig. Pure.

#pragma once

#include <string>

#include "daemon/migrate/new_config.h"

namespace vt::migrate {

// The whole file. `origin` is what it was made from; `schema` goes into
// `$schema`, if it is not "".
std::string ConfigText(const NewConfig& config, const std::string& origin,
                       const std::string& schema);

}  // namespace vt::migrate
