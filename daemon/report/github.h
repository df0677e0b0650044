// SPDX-License-Identifier: Apache-2.0
//
// Workflow commands of GitHub Actions: lines in the log that fold it and make
// annotations (docs.github.com, "Workflow commands for GitHub Actions"). Pure.

#pragma once

#include <string>

#include "absl/strings/string_view.h"

namespace vt::report {

// `text`, folded under `title`. Both lines stand alone.
std::string GithubGroup(absl::string_view title, absl::string_view text);

// An annotation of an error; one line.
std::string GithubError(absl::string_view title, absl::string_view message);

}  // namespace vt::report
