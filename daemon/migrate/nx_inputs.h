// SPDX-License-Identifier: Apache-2.0
//
// `inputs` and `outputs` of Nx targets: named sets, patterns with placeholders,
// and questions that are no files.

#pragma once

#include <map>
#include <set>
#include <string>

#include "daemon/base/json.h"
#include "daemon/migrate/new_config.h"

namespace vt::migrate {

// `namedInputs`, by name: those of nx.json and over them the project's.
using NamedInputs = std::map<std::string, const base::Json*>;

// Adds what `inputs` excludes, and the variables it names, to `task`; and notes
// on what has no equivalent. `inputs` may be null.
void AddNxInputs(const base::Json* inputs, const NamedInputs& named,
                 NewTask* task);

void AddNxOutputs(const base::Json* outputs, NewTask* task);

}  // namespace vt::migrate
