// SPDX-License-Identifier: Apache-2.0
//
// "Did you mean": the known word that is nearest to a mistyped one.

#pragma once

#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace vt::base {

// The candidate with the smallest edit distance (insert, delete, replace, swap
// neighbours) to `word`, ignoring case, if that is at most a third of the
// length (or one edit, of words that are longer than that); "" if none is. The
// first wins a tie.
std::string Nearest(absl::string_view word,
                    const std::vector<std::string>& candidates);

// "; did you mean `x`?", or "".
std::string DidYouMean(absl::string_view word,
                       const std::vector<std::string>& candidates);

}  // namespace vt::base
