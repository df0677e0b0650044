// SPDX-License-Identifier: Apache-2.0

#include "daemon/base/suggest.h"

#include <algorithm>
#include <string>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"

namespace vt::base {
namespace {

// Longer words are not typed by hand; keeps the table small.
constexpr size_t kMaxLength = 100;

size_t EditDistance(const std::string& a, const std::string& b) {
  std::vector<std::vector<size_t>> table(a.size() + 1,
                                         std::vector<size_t>(b.size() + 1, 0));
  for (size_t i = 0; i <= a.size(); ++i) {
    for (size_t j = 0; j <= b.size(); ++j) {
      if (i == 0 || j == 0) {
        table[i][j] = i + j;
        continue;
      }
      const size_t replace =
          table[i - 1][j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1);
      size_t best =
          std::min({table[i - 1][j] + 1, table[i][j - 1] + 1, replace});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) {
        best = std::min(best, table[i - 2][j - 2] + 1);
      }
      table[i][j] = best;
    }
  }
  return table[a.size()][b.size()];
}

}  // namespace

std::string Nearest(absl::string_view word,
                    const std::vector<std::string>& candidates) {
  if (word.empty() || word.size() > kMaxLength) {
    return "";
  }
  const std::string wanted = absl::AsciiStrToLower(word);
  std::string best;
  // Something of the word must be left.
  size_t best_distance =
      std::min(std::max<size_t>(1, word.size() / 3) + 1, word.size());
  for (const std::string& candidate : candidates) {
    if (candidate.size() > kMaxLength) {
      continue;
    }
    const size_t distance =
        EditDistance(wanted, absl::AsciiStrToLower(candidate));
    if (distance < best_distance) {
      best_distance = distance;
      best = candidate;
    }
  }
  return best;
}

std::string DidYouMean(absl::string_view word,
                       const std::vector<std::string>& candidates) {
  const std::string nearest = Nearest(word, candidates);
  return nearest.empty() ? "" : absl::StrCat("; did you mean `", nearest, "`?");
}

}  // namespace vt::base
