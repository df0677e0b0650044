// SPDX-License-Identifier: Apache-2.0

#include "daemon/base/glob.h"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"

namespace vt::base {
namespace {

// More alternatives than this are a typing error or an attack. A guess.
constexpr size_t kMaxAlternatives = 1024;

absl::Status Invalid(absl::string_view pattern, absl::string_view why) {
  return absl::InvalidArgumentError(
      absl::StrCat("invalid glob pattern '", pattern, "': ", why));
}

// Position behind the class that starts at `pattern[start]` == '[', or npos if
// it is not closed. A `]` that comes first is a member.
size_t ClassEnd(absl::string_view pattern, size_t start) {
  size_t i = start + 1;
  if (i < pattern.size() && (pattern[i] == '!' || pattern[i] == '^')) {
    ++i;
  }
  for (bool first = true; i < pattern.size(); ++i, first = false) {
    if (pattern[i] == '\\') {
      ++i;
    } else if (pattern[i] == ']' && !first) {
      return i + 1;
    }
  }
  return absl::string_view::npos;
}

struct ClassItem {
  unsigned char low = 0;
  unsigned char high = 0;
};

// Reads one character or range of a class at `*i`, which is inside it.
ClassItem NextItem(absl::string_view pattern, size_t end, size_t* i) {
  auto character = [&] {
    if (pattern[*i] == '\\' && *i + 1 < end) {
      ++*i;
    }
    return static_cast<unsigned char>(pattern[(*i)++]);
  };
  ClassItem item;
  item.low = character();
  item.high = item.low;
  if (*i + 1 < end && pattern[*i] == '-') {
    ++*i;
    item.high = character();
  }
  return item;
}

// `[start, end)` is a whole class; the members stand between the brackets.
bool ClassHasInvertedRange(absl::string_view pattern, size_t start,
                           size_t end) {
  size_t i = start + 1;
  if (pattern[i] == '!' || pattern[i] == '^') {
    ++i;
  }
  while (i < end - 1) {
    const ClassItem item = NextItem(pattern, end - 1, &i);
    if (item.low > item.high) {
      return true;
    }
  }
  return false;
}

bool ClassMatches(absl::string_view pattern, size_t start, size_t end,
                  unsigned char c) {
  size_t i = start + 1;
  const bool negated = pattern[i] == '!' || pattern[i] == '^';
  if (negated) {
    ++i;
  }
  bool found = false;
  while (i < end - 1) {
    const ClassItem item = NextItem(pattern, end - 1, &i);
    found = found || (item.low <= c && c <= item.high);
  }
  return found != negated;
}

// Length of the escape, class or character at `pattern[i]`. The pattern has
// been checked.
size_t TokenLength(absl::string_view pattern, size_t i) {
  if (pattern[i] == '\\') {
    return 2;
  }
  return pattern[i] == '[' ? ClassEnd(pattern, i) - i : 1;
}

bool TokenMatches(absl::string_view pattern, size_t i, size_t length, char c) {
  switch (pattern[i]) {
    case '?':
      return true;
    case '[':
      return ClassMatches(pattern, i, i + length,
                          static_cast<unsigned char>(c));
    case '\\':
      return pattern[i + 1] == c;
    default:
      return pattern[i] == c;
  }
}

// The whole of `text` against a pattern of `*`, `?`, classes and characters.
// Only the last `*` needs to be tried again, so the cost is at most the product
// of the lengths.
bool MatchFlat(absl::string_view pattern, absl::string_view text) {
  size_t p = 0;
  size_t t = 0;
  size_t star = absl::string_view::npos;
  size_t star_text = 0;
  while (t < text.size()) {
    if (p < pattern.size() && pattern[p] == '*') {
      star = ++p;
      star_text = t;
      continue;
    }
    if (p < pattern.size()) {
      const size_t length = TokenLength(pattern, p);
      if (TokenMatches(pattern, p, length, text[t])) {
        p += length;
        ++t;
        continue;
      }
    }
    if (star == absl::string_view::npos) {
      return false;
    }
    p = star;
    t = ++star_text;
  }
  while (p < pattern.size() && pattern[p] == '*') {
    ++p;
  }
  return p == pattern.size();
}

using Components = std::vector<std::string>;

bool MatchComponents(const Components& pattern,
                     const std::vector<absl::string_view>& text) {
  size_t p = 0;
  size_t t = 0;
  size_t star = std::string::npos;
  size_t star_text = 0;
  while (t < text.size()) {
    if (p < pattern.size() && pattern[p] == "**") {
      star = ++p;
      star_text = t;
    } else if (p < pattern.size() && MatchFlat(pattern[p], text[t])) {
      ++p;
      ++t;
    } else if (star != std::string::npos) {
      p = star;
      t = ++star_text;
    } else {
      return false;
    }
  }
  while (p < pattern.size() && pattern[p] == "**") {
    ++p;
  }
  return p == pattern.size();
}

std::vector<absl::string_view> SplitPath(absl::string_view path) {
  if (path.empty()) {
    return {};
  }
  return absl::StrSplit(path, '/');
}

// Checks what a brace alternative or the text around it consists of, up to
// `stops` or the end; appends it to `out` as written.
absl::StatusOr<size_t> CopyUntil(absl::string_view pattern, size_t i,
                                 absl::string_view stops, std::string* out) {
  while (i < pattern.size() &&
         stops.find(pattern[i]) == absl::string_view::npos) {
    size_t length = 1;
    if (pattern[i] == '\\') {
      if (i + 1 == pattern.size()) {
        return Invalid(pattern, "a lone `\\` at the end");
      }
      length = 2;
    } else if (pattern[i] == '[') {
      const size_t end = ClassEnd(pattern, i);
      if (end == absl::string_view::npos) {
        return Invalid(pattern, "unclosed `[`");
      }
      if (ClassHasInvertedRange(pattern, i, end)) {
        return Invalid(pattern, "inverted range in `[…]`");
      }
      length = end - i;
    } else if (pattern[i] == '}') {
      return Invalid(pattern, "`}` without `{`");
    } else if (pattern[i] == '{') {
      return Invalid(pattern, "nested `{`");
    }
    out->append(pattern.data() + i, length);
    i += length;
  }
  return i;
}

// Expands braces: "a{b,c}d" gives "abd" and "acd".
absl::StatusOr<std::vector<std::string>> Expand(absl::string_view pattern) {
  std::vector<std::string> done = {""};
  size_t i = 0;
  while (i < pattern.size()) {
    std::vector<std::string> choices;
    if (pattern[i] == '{') {
      do {
        std::string choice;
        absl::StatusOr<size_t> end = CopyUntil(pattern, i + 1, ",}", &choice);
        if (!end.ok()) {
          return end.status();
        }
        i = *end;
        choices.push_back(std::move(choice));
      } while (i < pattern.size() && pattern[i] == ',');
      if (i == pattern.size()) {
        return Invalid(pattern, "unclosed `{`");
      }
      ++i;
    } else {
      std::string text;
      absl::StatusOr<size_t> end = CopyUntil(pattern, i, "{", &text);
      if (!end.ok()) {
        return end.status();
      }
      i = *end;
      choices.push_back(std::move(text));
    }
    if (done.size() * choices.size() > kMaxAlternatives) {
      return Invalid(pattern, "too many alternatives");
    }
    std::vector<std::string> next;
    for (const std::string& head : done) {
      for (const std::string& tail : choices) {
        next.push_back(absl::StrCat(head, tail));
      }
    }
    done = std::move(next);
  }
  return done;
}

// Splits at slashes that are not inside a class.
Components SplitPattern(absl::string_view pattern) {
  Components out = {""};
  for (size_t i = 0; i < pattern.size();) {
    const size_t length = TokenLength(pattern, i);
    if (length == 1 && pattern[i] == '/') {
      out.emplace_back();
    } else {
      out.back().append(pattern.data() + i, length);
    }
    i += length;
  }
  if (out.back().empty() && out.size() > 1) {
    out.back() = "**";  // a trailing slash: everything below
  }
  return out;
}

std::string Unescape(absl::string_view text) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\\' && i + 1 < text.size()) {
      ++i;
    }
    out.push_back(text[i]);
  }
  return out;
}

bool HasWildcard(absl::string_view component) {
  for (size_t i = 0; i < component.size(); i += TokenLength(component, i)) {
    if (absl::string_view("*?[").find(component[i]) !=
        absl::string_view::npos) {
      return true;
    }
  }
  return false;
}

std::string LiteralPrefix(const std::vector<Components>& alternatives) {
  Components common;
  for (size_t n = 0; n < alternatives.size(); ++n) {
    Components mine;
    for (size_t i = 0; i + 1 < alternatives[n].size(); ++i) {
      if (HasWildcard(alternatives[n][i])) {
        break;
      }
      mine.push_back(Unescape(alternatives[n][i]));
    }
    if (n == 0) {
      common = std::move(mine);
      continue;
    }
    const auto differ =
        std::mismatch(common.begin(), common.end(), mine.begin(), mine.end());
    common.erase(differ.first, common.end());
  }
  return absl::StrJoin(common, "/");
}

// Whether `pattern` could match a path that begins with `path` and goes on:
// follows all the positions that `pattern` can be in.
bool MayContinue(const Components& pattern,
                 const std::vector<absl::string_view>& path) {
  std::vector<bool> at(pattern.size() + 1, false);
  at[0] = true;
  for (const absl::string_view component : path) {
    std::vector<bool> next(pattern.size() + 1, false);
    for (size_t i = 0; i < pattern.size(); ++i) {
      if (!at[i]) {
        continue;
      }
      if (pattern[i] == "**") {
        at[i + 1] = true;  // matches nothing; looked at next in this loop
        next[i] = true;
      } else if (MatchFlat(pattern[i], component)) {
        next[i + 1] = true;
      }
    }
    at = std::move(next);
  }
  return std::find(at.begin(), at.end() - 1, true) != at.end() - 1;
}

}  // namespace

absl::StatusOr<Glob> Glob::Parse(absl::string_view pattern, Style style) {
  absl::StatusOr<std::vector<std::string>> expanded = Expand(pattern);
  if (!expanded.ok()) {
    return expanded.status();
  }
  Glob glob;
  glob.pattern_ = std::string(pattern);
  glob.style_ = style;
  for (std::string& text : *expanded) {
    if (style == Style::kPath) {
      glob.alternatives_.push_back(SplitPattern(text));
    } else {
      glob.alternatives_.push_back({std::move(text)});
    }
  }
  if (style == Style::kPath) {
    glob.literal_prefix_ = LiteralPrefix(glob.alternatives_);
  }
  return glob;
}

bool Glob::Matches(absl::string_view text) const {
  if (style_ == Style::kFlat) {
    for (const Components& alternative : alternatives_) {
      if (MatchFlat(alternative[0], text)) {
        return true;
      }
    }
    return false;
  }
  const std::vector<absl::string_view> components = SplitPath(text);
  for (const Components& alternative : alternatives_) {
    if (MatchComponents(alternative, components)) {
      return true;
    }
  }
  return false;
}

bool Glob::MayMatchBelow(absl::string_view path) const {
  if (style_ == Style::kFlat) {
    return true;
  }
  const std::vector<absl::string_view> components = SplitPath(path);
  for (const Components& alternative : alternatives_) {
    if (MayContinue(alternative, components)) {
      return true;
    }
  }
  return false;
}

std::string Glob::Escape(absl::string_view text) {
  std::string out;
  for (const char c : text) {
    if (absl::string_view("*?[]{}\\!").find(c) != absl::string_view::npos) {
      out.push_back('\\');
    }
    out.push_back(c);
  }
  return out;
}

bool Glob::HasSpecial(absl::string_view pattern) {
  return pattern.find_first_of("*?[]{}\\") != absl::string_view::npos;
}

}  // namespace vt::base
