// SPDX-License-Identifier: Apache-2.0

#include "daemon/workspace/semver.h"

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

namespace vt::workspace {
namespace {

struct Version {
  std::array<uint64_t, 3> number = {};
  int given = 3;  // how many numbers a partial version has
  std::vector<std::string> prerelease;
};

bool IsNumeric(absl::string_view text) {
  if (text.empty()) {
    return false;
  }
  for (const char c : text) {
    if (!absl::ascii_isdigit(static_cast<unsigned char>(c))) {
      return false;
    }
  }
  return true;
}

// "1.2.3-pre+build"; with parts missing or `x`, `given` is less than 3.
std::optional<Version> ParseVersion(absl::string_view text) {
  text = absl::StripAsciiWhitespace(text);
  if (!absl::ConsumePrefix(&text, "v")) {
    absl::ConsumePrefix(&text, "V");
  }
  text = text.substr(0, text.find('+'));
  Version version;
  const size_t dash = text.find('-');
  if (dash != absl::string_view::npos) {
    version.prerelease = absl::StrSplit(text.substr(dash + 1), '.');
    text = text.substr(0, dash);
  }
  const std::vector<absl::string_view> parts = absl::StrSplit(text, '.');
  if (parts.size() > 3) {
    return std::nullopt;
  }
  version.given = 0;
  for (const absl::string_view part : parts) {
    if (part == "*" || part == "x" || part == "X" ||
        (part.empty() && parts.size() == 1)) {
      break;
    }
    if (!IsNumeric(part) ||
        !absl::SimpleAtoi(
            part, &version.number[static_cast<size_t>(version.given)])) {
      return std::nullopt;
    }
    ++version.given;
  }
  return version;
}

// Below, at or above 0.
int Compare(const Version& a, const Version& b) {
  if (a.number != b.number) {
    return a.number < b.number ? -1 : 1;
  }
  if (a.prerelease.empty() || b.prerelease.empty()) {
    return static_cast<int>(a.prerelease.empty()) -
           static_cast<int>(b.prerelease.empty());
  }
  for (size_t i = 0; i < a.prerelease.size() && i < b.prerelease.size(); ++i) {
    const std::string& x = a.prerelease[i];
    const std::string& y = b.prerelease[i];
    if (x == y) {
      continue;
    }
    if (IsNumeric(x) != IsNumeric(y)) {
      return IsNumeric(x) ? -1 : 1;
    }
    if (IsNumeric(x) && x.size() != y.size()) {
      return x.size() < y.size() ? -1 : 1;
    }
    return x < y ? -1 : 1;
  }
  if (a.prerelease.size() == b.prerelease.size()) {
    return 0;
  }
  return a.prerelease.size() < b.prerelease.size() ? -1 : 1;
}

// low <= version < high; either may be missing.
struct Interval {
  std::optional<Version> low;
  bool low_open = false;
  std::optional<Version> high;
  bool high_closed = false;
};

// The first version that differs from `v` in its part number `part` or before.
Version Bump(const Version& v, int part) {
  Version next;
  for (int i = 0; i <= part; ++i) {
    next.number[static_cast<size_t>(i)] = v.number[static_cast<size_t>(i)];
  }
  ++next.number[static_cast<size_t>(part)];
  // Its prereleases are already outside; this one nobody wrote (given == 0).
  next.prerelease = {"0"};
  next.given = 0;
  return next;
}

Interval Caret(const Version& v) {
  int part = 0;
  while (part < v.given - 1 && v.number[static_cast<size_t>(part)] == 0) {
    ++part;
  }
  return {v, false, Bump(v, part), false};
}

std::optional<Interval> ParseComparator(absl::string_view text) {
  absl::string_view op;
  for (const absl::string_view candidate :
       {">=", "<=", "~>", ">", "<", "=", "^", "~"}) {
    if (absl::ConsumePrefix(&text, candidate)) {
      op = candidate;
      break;
    }
  }
  const std::optional<Version> v = ParseVersion(text);
  if (!v.has_value()) {
    return std::nullopt;
  }
  if (v->given == 0) {
    return Interval{};
  }
  const bool partial = v->given < 3;
  if (op == ">=") {
    return Interval{v, false, std::nullopt, false};
  }
  if (op == ">") {
    return partial
               ? Interval{Bump(*v, v->given - 1), false, std::nullopt, false}
               : Interval{v, true, std::nullopt, false};
  }
  if (op == "<") {
    return Interval{std::nullopt, false, v, false};
  }
  if (op == "<=") {
    return partial
               ? Interval{std::nullopt, false, Bump(*v, v->given - 1), false}
               : Interval{std::nullopt, false, v, true};
  }
  if (op == "^") {
    return Caret(*v);
  }
  if (op == "~" || op == "~>") {
    return Interval{v, false, Bump(*v, v->given == 1 ? 0 : 1), false};
  }
  return partial ? Interval{v, false, Bump(*v, v->given - 1), false}
                 : Interval{v, false, v, true};
}

bool Contains(const Interval& interval, const Version& v) {
  if (interval.low.has_value()) {
    const int order = Compare(v, *interval.low);
    if (order < 0 || (order == 0 && interval.low_open)) {
      return false;
    }
  }
  if (interval.high.has_value()) {
    const int order = Compare(v, *interval.high);
    if (order > 0 || (order == 0 && !interval.high_closed)) {
      return false;
    }
  }
  return true;
}

// A prerelease satisfies a list only if one of its comparators names a
// prerelease of the same three numbers.
bool PrereleaseAllowed(const std::vector<Interval>& list, const Version& v) {
  if (v.prerelease.empty()) {
    return true;
  }
  for (const Interval& interval : list) {
    for (const std::optional<Version>* bound :
         {&interval.low, &interval.high}) {
      if (bound->has_value() && !(*bound)->prerelease.empty() &&
          (*bound)->given == 3 && (*bound)->number == v.number) {
        return true;
      }
    }
  }
  return false;
}

bool SatisfiesList(const Version& version, absl::string_view text) {
  std::vector<Interval> list;
  const size_t hyphen = text.find(" - ");
  if (hyphen != absl::string_view::npos) {
    std::optional<Version> from = ParseVersion(text.substr(0, hyphen));
    std::optional<Interval> to = ParseComparator(absl::StrCat(
        "<=", absl::StripAsciiWhitespace(text.substr(hyphen + 3))));
    if (!from.has_value() || !to.has_value()) {
      return false;
    }
    to->low = from;
    list.push_back(*to);
  } else {
    std::string pending;  // an operator that a blank separates from its version
    for (const absl::string_view word :
         absl::StrSplit(text, absl::ByAnyChar(" \t"), absl::SkipEmpty())) {
      pending.append(word.data(), word.size());
      if (word.find_first_not_of("<>=^~") == absl::string_view::npos) {
        continue;
      }
      const std::optional<Interval> interval = ParseComparator(pending);
      if (!interval.has_value()) {
        return false;
      }
      list.push_back(*interval);
      pending.clear();
    }
    if (!pending.empty()) {
      return false;
    }
  }
  for (const Interval& interval : list) {
    if (!Contains(interval, version)) {
      return false;
    }
  }
  return PrereleaseAllowed(list, version);
}

}  // namespace

bool Satisfies(absl::string_view version, absl::string_view range) {
  range = absl::StripAsciiWhitespace(range);
  if (range.empty() || range == "*" || range == "x" || range == "X") {
    return true;
  }
  const std::optional<Version> parsed = ParseVersion(version);
  if (!parsed.has_value() || parsed->given != 3) {
    return false;
  }
  for (const absl::string_view list : absl::StrSplit(range, "||")) {
    if (SatisfiesList(*parsed, list)) {
      return true;
    }
  }
  return false;
}

}  // namespace vt::workspace
