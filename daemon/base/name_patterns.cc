// SPDX-License-Identifier: Apache-2.0

#include "daemon/base/name_patterns.h"

#include <utility>

#include "absl/algorithm/container.h"
#include "absl/strings/match.h"
#include "absl/strings/strip.h"

namespace vt::base {
namespace {

bool AnyMatches(const std::vector<Glob>& globs, absl::string_view name) {
  return absl::c_any_of(
      globs, [name](const Glob& glob) { return glob.Matches(name); });
}

}  // namespace

void NamePatterns::Add(absl::string_view pattern) {
  std::vector<Glob>* const globs =
      absl::ConsumePrefix(&pattern, "!") ? &excluded_ : &included_;
  if (absl::StatusOr<Glob> glob = Glob::Parse(pattern, Glob::Style::kFlat);
      glob.ok()) {
    globs->push_back(*std::move(glob));
  }
}

bool NamePatterns::Matches(absl::string_view name) const {
  return AnyMatches(included_, name) && !AnyMatches(excluded_, name);
}

std::vector<std::string> LeftOutOfQuery(
    absl::string_view head, const std::vector<std::string>& patterns) {
  std::vector<std::string> left_out;
  for (const std::string& pattern : patterns) {
    const absl::string_view start = LiteralHead(pattern);
    if (start.size() > head.size() && absl::StartsWith(start, head)) {
      left_out.push_back(pattern);
    }
  }
  return left_out;
}

absl::string_view LiteralHead(absl::string_view pattern) {
  for (size_t i = 0; i < pattern.size(); ++i) {
    if (Glob::HasSpecial(pattern.substr(i, 1))) {
      return pattern.substr(0, i);
    }
  }
  return pattern;
}

}  // namespace vt::base
