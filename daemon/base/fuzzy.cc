// SPDX-License-Identifier: Apache-2.0

#include "daemon/base/fuzzy.h"

#include <algorithm>
#include <string>

#include "absl/strings/ascii.h"

namespace vt::base {

std::optional<size_t> SubsequenceSpan(absl::string_view typed,
                                      absl::string_view label) {
  if (typed.empty()) {
    return 0;
  }
  const std::string word = absl::AsciiStrToLower(typed);
  const std::string text = absl::AsciiStrToLower(label);
  std::optional<size_t> best;
  for (size_t start = 0; start < text.size(); ++start) {
    size_t next = 0;
    for (size_t i = start; i < text.size() && text[start] == word[0]; ++i) {
      if (text[i] == word[next] && ++next == word.size()) {
        best = std::min(best.value_or(text.size()), i - start + 1);
        break;
      }
    }
  }
  return best;
}

}  // namespace vt::base
