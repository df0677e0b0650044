// SPDX-License-Identifier: Apache-2.0
//
// Names of variables that a .env file expands from the process environment
// (tool-ipc D15): Vite expands `$NAME` and `${NAME}` without asking us.

#pragma once

#include <set>
#include <string>

#include "absl/strings/string_view.h"

namespace vt::run {

// Whether a file of this name is read by Vite's env loading: ".env", ".env.*".
bool IsDotenvFile(absl::string_view path);

// Names after an unescaped `$`, those that `text` itself defines included: the
// process environment wins over the file in dotenv-expand.
std::set<std::string> DotenvReferences(absl::string_view text);

}  // namespace vt::run
