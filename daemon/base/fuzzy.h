// SPDX-License-Identifier: Apache-2.0
//
// Fuzzy matching of what people type, as in lists that narrow while one types.

#pragma once

#include <optional>

#include "absl/strings/string_view.h"

namespace vt::base {

// Whether `typed` is a subsequence of `label`, ignoring the case of ASCII; then
// how long the shortest part of `label` is that holds it, in bytes: the less,
// the better the match. An empty `typed` is in everything, with length 0.
std::optional<size_t> SubsequenceSpan(absl::string_view typed,
                                      absl::string_view label);

}  // namespace vt::base
