// SPDX-License-Identifier: Apache-2.0
//
// Which Unix sockets an action may use without being called impure (decisions
// H3): name services, buses, logs, agents and displays, whose answers do not
// end up in build results, and what the user's configuration adds.

#pragma once

#include <string>
#include <vector>

namespace vt::track {

// `path`: absolute, or "@name" for the abstract namespace. `allowed`: path
// globs.
bool IsHarmlessService(const std::string& path,
                       const std::vector<std::string>& allowed);

}  // namespace vt::track
