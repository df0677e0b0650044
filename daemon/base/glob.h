// SPDX-License-Identifier: Apache-2.0
//
// Glob: the one pattern matcher of vtask, for paths (`*` stops at `/`, `**` is
// a whole component) and for flat names (environment variables, package names).

#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace vt::base {

// Immutable.
class Glob {
 public:
  enum class Style {
    // `*`, `?` and classes do not match `/`; `**` as a whole component matches
    // any number of components; a trailing `/` means everything below. Hidden
    // files match (spec/runner.md R-IN-1, R-IN-4).
    kPath,
    // No character is special to `*` and `?` (tool-ipc 4.3, R-ENV-5).
    kFlat,
  };

  // Understands `*`, `?`, `[abc]`, `[a-z]`, `[!a]`, `[^a]`, `{a,b}` (not
  // nested), and `\` escapes. INVALID_ARGUMENT names the pattern and what is
  // wrong: unclosed `[` or `{`, lone `}`, nested braces, an empty or inverted
  // range, a trailing `\`.
  static absl::StatusOr<Glob> Parse(absl::string_view pattern, Style style);

  // The whole `text` against the whole pattern; bytes, case-sensitive.
  bool Matches(absl::string_view text) const;

  // kPath: the literal leading directory components, where a walk may start
  // ("src/a" for "src/a/*.ts"; "" if the first component is not literal).
  const std::string& literal_prefix() const { return literal_prefix_; }
  // kPath: whether something below directory `path` could match, so that a walk
  // may leave the others alone. May err towards true.
  bool MayMatchBelow(absl::string_view path) const;
  const std::string& pattern() const { return pattern_; }

  // `text` with every character that is special in a pattern escaped.
  static std::string Escape(absl::string_view text);
  // Whether `pattern` has a character that is special in a pattern.
  static bool HasSpecial(absl::string_view pattern);

 private:
  Glob() = default;

  std::string pattern_;
  Style style_ = Style::kPath;
  std::string literal_prefix_;
  // Brace alternatives, expanded; each as its components (kFlat: just one).
  std::vector<std::vector<std::string>> alternatives_;
};

}  // namespace vt::base
