// SPDX-License-Identifier: Apache-2.0
//
// NamePatterns: which variables a list of patterns means (R-ENV-5).

#pragma once

#include <string>
#include <vector>

#include "absl/strings/string_view.h"

#include "daemon/base/glob.h"

namespace vt::base {

// Immutable. Patterns that do not parse match nothing: they were refused when
// the configuration was read.
class NamePatterns {
 public:
  // `patterns` is a range of strings; `!x` takes out what the others match, in
  // any order.
  template <typename Patterns>
  explicit NamePatterns(const Patterns& patterns) {
    for (const std::string& pattern : patterns) {
      Add(pattern);
    }
  }
  bool Matches(absl::string_view name) const;

 private:
  void Add(absl::string_view pattern);

  std::vector<Glob> included_, excluded_;
};

// Those of `patterns` (without `!`) by which a query for many variables leaves
// names out that nobody asked for. `head` is what the query's matches begin
// with: "GITHUB_" asks for GITHUB_* by name, so they count; "" and "G" do not,
// so `GITHUB_*` is left out. A pattern without a head (`*_TOKEN`) leaves
// nothing out: what it matches is as well one of the tool's own.
std::vector<std::string> LeftOutOfQuery(
    absl::string_view head, const std::vector<std::string>& patterns);

// What all matches of a kFlat pattern begin with: up to its first special
// character.
absl::string_view LiteralHead(absl::string_view pattern);

}  // namespace vt::base
