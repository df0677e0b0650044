// SPDX-License-Identifier: Apache-2.0
//
// What an Nx target runs: its command, nx:run-commands, a script, or what the
// executor of a plugin is known to run.

#pragma once

#include "daemon/migrate/members.h"
#include "daemon/migrate/new_config.h"
#include "daemon/migrate/nx_project.h"
#include "daemon/migrate/project.h"

namespace vt::migrate {

// Fills in commands and directory of `task`. False: there is no equivalent.
bool AddNxCommand(const Project& workspace, const NxProject& project,
                  const Members& target, NewTask* task);

}  // namespace vt::migrate
