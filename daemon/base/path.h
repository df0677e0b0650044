// SPDX-License-Identifier: Apache-2.0
//
// Lexical operations on path names. Paths are bytes; nothing here looks at a
// disk. "Relative" means relative to the workspace root, "" being the root.

#pragma once

#include <optional>
#include <string>

#include "absl/strings/string_view.h"

namespace vt::base {

// `name` if it is absolute, else `base` + "/" + `name`. Not normalised.
std::string JoinPath(absl::string_view base, absl::string_view name);

// Removes ".", empty components and trailing slashes, and folds ".." into the
// component before it; ".." at the root of an absolute path vanishes, leading
// ".." of a relative one stay. The empty path stays empty.
std::string NormalizePath(absl::string_view path);

// Whether normalised `path` is `directory` or lies below it (whole components).
bool IsWithin(absl::string_view path, absl::string_view directory);

// Normalised absolute `path` relative to normalised absolute `directory`; ""
// for the directory itself; nullopt outside of it.
std::optional<std::string> RelativeTo(absl::string_view path,
                                      absl::string_view directory);

// The file:// URL of absolute `path`.
std::string FileUrl(absl::string_view path);

// Everything before the last slash ("" if there is none; "/" for "/x").
absl::string_view Dirname(absl::string_view path);
// Everything after the last slash.
absl::string_view Basename(absl::string_view path);

}  // namespace vt::base
