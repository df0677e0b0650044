// SPDX-License-Identifier: Apache-2.0

#include "daemon/base/json_reader.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

#include "daemon/base/status.h"
#include "daemon/base/suggest.h"

namespace vt::base {

bool Contains(const Names& names, absl::string_view name) {
  return std::find(names.begin(), names.end(), name) != names.end();
}

std::string InBackquotes(const Names& names) {
  return absl::StrJoin(names, ", ", [](std::string* out, const std::string& n) {
    absl::StrAppend(out, "`", n, "`");
  });
}

std::string KeyBelow(absl::string_view path, absl::string_view key) {
  bool plain = !key.empty() &&
               !absl::ascii_isdigit(static_cast<unsigned char>(key.front()));
  for (const char c : key) {
    plain = plain && (absl::ascii_isalnum(static_cast<unsigned char>(c)) ||
                      c == '_' || c == '$');
  }
  if (!plain) {
    return absl::StrCat(path, "[\"", key, "\"]");
  }
  return path.empty() ? std::string(key) : absl::StrCat(path, ".", key);
}

std::string ItemOf(absl::string_view path, size_t index) {
  return absl::StrCat(path, "[", index, "]");
}

std::string JsonReader::WholePath(absl::string_view path) const {
  return absl::StrCat(
      key_path_,
      key_path_.empty() || path.empty() || path.front() == '[' ? "" : ".",
      path);
}

absl::Status JsonReader::ErrorAt(int line, int column,
                                 absl::string_view what) const {
  return absl::InvalidArgumentError(
      line > 0 ? absl::StrCat(file_, ":", line, ":", column, ": ", what)
               : absl::StrCat(file_, ": ", what));
}

absl::Status JsonReader::ErrorAt(const Json& json, absl::string_view path,
                                 absl::string_view what) const {
  const std::string whole = WholePath(path);
  return ErrorAt(json.line, json.column,
                 whole.empty() ? std::string(what)
                               : absl::StrCat("`", whole, "`: ", what));
}

absl::Status JsonReader::WrongType(const Json& json, absl::string_view path,
                                   absl::string_view expected) const {
  return ErrorAt(
      json, path,
      absl::StrCat("found ", Describe(json), ", expected ", expected));
}

absl::Status JsonReader::UnknownKey(const JsonMember& member,
                                    absl::string_view path,
                                    const Names& allowed) const {
  return ErrorAt(
      member.line, member.column,
      absl::StrCat("unknown key `", WholePath(KeyBelow(path, member.key)),
                   "`, expected one of ", InBackquotes(allowed),
                   DidYouMean(member.key, allowed)));
}

absl::Status JsonReader::ExpectString(const Json& json,
                                      absl::string_view path) const {
  return json.is_string() ? absl::OkStatus()
                          : WrongType(json, path, "a string");
}

absl::Status JsonReader::ExpectBool(const Json& json,
                                    absl::string_view path) const {
  return json.is_bool() ? absl::OkStatus()
                        : WrongType(json, path, "`true` or `false`");
}

absl::Status JsonReader::Strings(const Json& json, absl::string_view path,
                                 Names* out) const {
  if (!json.is_array()) {
    return WrongType(json, path, "an array of strings");
  }
  for (size_t i = 0; i < json.items.size(); ++i) {
    VT_RETURN_IF_ERROR(ExpectString(json.items[i], ItemOf(path, i)));
    out->push_back(json.items[i].text);
  }
  return absl::OkStatus();
}

absl::Status JsonReader::Choice(const Json& json, absl::string_view path,
                                const Names& words, int* out) const {
  for (size_t i = 0; i < words.size(); ++i) {
    if (json.is_string() && json.text == words[i]) {
      *out = static_cast<int>(i);
      return absl::OkStatus();
    }
  }
  return WrongType(
      json, path,
      absl::StrCat("one of ", InBackquotes(words),
                   json.is_string() ? DidYouMean(json.text, words) : ""));
}

}  // namespace vt::base
