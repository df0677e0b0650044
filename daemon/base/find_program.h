// SPDX-License-Identifier: Apache-2.0
//
// Looks for programs as execvp does.

#pragma once

#include <string>

namespace vt::base {

// Absolute path of `name` as execvp would find it, "" if there is none. A name
// with a slash, and relative entries of `path`, are relative to absolute `cwd`.
// Blocking: one stat for each entry.
std::string FindProgram(const std::string& name, const std::string& path,
                        const std::string& cwd);

}  // namespace vt::base
