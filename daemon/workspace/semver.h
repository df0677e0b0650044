// SPDX-License-Identifier: Apache-2.0
//
// Whether a version satisfies a range, as package managers mean it
// (https://semver.org and the range grammar of npm's documentation).

#pragma once

#include "absl/strings/string_view.h"

namespace vt::workspace {

// Understands `*`, "", exact versions, `^ ~ ~> >= > <= < =`, x-ranges, partial
// versions, hyphen ranges, lists and `||`. False for anything that is not a
// range (tags, URLs). `*` and "" are satisfied by every version, also by none.
bool Satisfies(absl::string_view version, absl::string_view range);

}  // namespace vt::workspace
