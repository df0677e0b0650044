// SPDX-License-Identifier: Apache-2.0
//
// Takes scripts out of the text of a package.json, and leaves everything else
// as it was written.

#pragma once

#include <set>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace vt::migrate {

// `text` is a package.json that has been parsed before. INVALID_ARGUMENT: it
// has no `scripts` object.
absl::StatusOr<std::string> WithoutScripts(absl::string_view text,
                                           const std::set<std::string>& names);

}  // namespace vt::migrate
