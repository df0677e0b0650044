// SPDX-License-Identifier: Apache-2.0
//
// The variable that loads the preload library into the programs of an action.

#pragma once

#include <string>
#include <vector>

namespace vt::track {

// How LD_PRELOAD must name the library in `library_directory` (…/lib/vtask);
// empty if it is not there, or cannot be named: the loader splits the variable
// at spaces and colons. A link to such a directory is made in
// `runtime_directory`. Blocking.
std::string FindPreload(const std::string& library_directory,
                        const std::string& runtime_directory);

// Where the files of the library `preload` are that processes open to load it;
// they say nothing of an action.
std::string PreloadDirectory(const std::string& preload);

// Appends the library to LD_PRELOAD of `env` ("NAME=value"s): after those of
// the user, so that these see each call first, and ours what is really asked of
// the kernel. Nothing happens if `preload` is empty.
void AddPreload(const std::string& preload, std::vector<std::string>* env);

// Takes ours out of `value` of LD_PRELOAD, wherever it was installed: what a
// nested run inherits is not what its user set.
std::string WithoutPreload(const std::string& value);

}  // namespace vt::track
