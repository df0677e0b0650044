// SPDX-License-Identifier: Apache-2.0

#include "daemon/migrate/manifest_edit.h"

#include <optional>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

#include "daemon/base/json.h"
#include "daemon/base/status.h"

namespace vt::migrate {
namespace {

// Walks over JSON that is known to be good; offsets into the text.
class Walker {
 public:
  Walker(absl::string_view text, size_t at) : text_(text), at_(at) {}

  struct Member {
    std::string key;
    size_t begin = 0;  // of the key
    size_t value = 0;
    size_t end = 0;  // behind the value
  };

  // The members of the object whose "{" comes next.
  std::vector<Member> Members() {
    std::vector<Member> members;
    SkipBlanks();
    ++at_;
    for (SkipBlanks(); at_ < text_.size() && text_[at_] != '}'; SkipBlanks()) {
      if (text_[at_] == ',') {
        ++at_;
        continue;
      }
      Member member;
      member.begin = at_;
      SkipValue();
      member.key = Decode(text_.substr(member.begin, at_ - member.begin));
      SkipBlanks();
      ++at_;  // the colon
      SkipBlanks();
      member.value = at_;
      SkipValue();
      member.end = at_;
      members.push_back(std::move(member));
    }
    return members;
  }

 private:
  static std::string Decode(absl::string_view quoted) {
    const auto json =
        base::ParseJson(quoted, base::JsonDialect::kStrict, "package.json");
    return json.ok() ? json->text : "";
  }
  void SkipBlanks() {
    while (at_ < text_.size() && absl::string_view(" \t\r\n").find(
                                     text_[at_]) != absl::string_view::npos) {
      ++at_;
    }
  }
  void SkipString() {
    for (++at_; at_ < text_.size() && text_[at_] != '"'; ++at_) {
      at_ += text_[at_] == '\\' ? 1 : 0;
    }
    ++at_;
  }
  void SkipValue() {
    int depth = 0;
    do {
      const char c = at_ < text_.size() ? text_[at_] : '\0';
      if (c == '"') {
        SkipString();
      } else if (c == '{' || c == '[') {
        ++depth;
        ++at_;
      } else if (c == '}' || c == ']') {
        --depth;
        ++at_;
      } else {
        // A number or word, or what stands between values.
        ++at_;
        while (depth == 0 && at_ < text_.size() &&
               absl::string_view(",}] \t\r\n").find(text_[at_]) ==
                   absl::string_view::npos) {
          ++at_;
        }
      }
    } while (depth > 0 && at_ < text_.size());
  }

  const absl::string_view text_;
  size_t at_;
};

}  // namespace

absl::StatusOr<std::string> WithoutScripts(absl::string_view text,
                                           const std::set<std::string>& names) {
  const size_t open = text.find('{');
  std::optional<Walker::Member> scripts;
  if (open != absl::string_view::npos) {
    for (Walker::Member& member : Walker(text, open).Members()) {
      if (member.key == "scripts" && text[member.value] == '{') {
        scripts = std::move(member);
      }
    }
  }
  if (!scripts.has_value()) {
    return absl::InvalidArgumentError("no object `scripts`");
  }
  const std::vector<Walker::Member> all =
      Walker(text, scripts->value).Members();
  if (all.empty()) {
    return std::string(text);
  }
  const absl::string_view separator =
      all.size() > 1 ? text.substr(all[0].end, all[1].begin - all[0].end) : "";
  std::string kept;
  for (const Walker::Member& member : all) {
    if (names.count(member.key) == 0) {
      absl::StrAppend(&kept, kept.empty() ? "" : separator,
                      text.substr(member.begin, member.end - member.begin));
    }
  }
  if (kept.empty()) {
    return absl::StrCat(text.substr(0, scripts->value), "{}",
                        text.substr(scripts->end));
  }
  return absl::StrCat(text.substr(0, all.front().begin), kept,
                      text.substr(all.back().end));
}

}  // namespace vt::migrate
