// SPDX-License-Identifier: Apache-2.0
//
// Looks at the text of a vite.config file without running it (decisions H12).

#pragma once

#include <functional>

#include "absl/strings/string_view.h"

namespace vt::workspace {

// Whether the configuration in JavaScript or TypeScript `source` might have a
// `run` field, so that it must be evaluated. False only for a file that
//   - has a default export, or sets `module.exports`,
//   - nowhere says `run`, but in comments or inside longer texts,
//   - imports nothing but Node's own modules and packages for which
//     `is_member` (whether the workspace has a package of that name) is false.
// In doubt true: that costs an evaluation, which is cached. What an outside
// package makes of a default export is not looked at.
bool MayHaveRun(absl::string_view source,
                const std::function<bool(absl::string_view)>& is_member);

}  // namespace vt::workspace
