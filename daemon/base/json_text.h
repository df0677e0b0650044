// SPDX-License-Identifier: Apache-2.0
//
// JSON, as far as we have to write it (RFC 8259).

#pragma once

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"

namespace vt::base {

// `text` as a JSON string, with its quotes. Bytes that are no UTF-8 become
// U+FFFD: JSON has nothing for them.
std::string JsonString(absl::string_view text);
// A list of strings.
std::string JsonStrings(const std::vector<std::string>& values);
// A list of values that are JSON already.
std::string JsonArray(const std::vector<std::string>& values);

// An object, member by member, on one line. Thread-compatible.
class JsonObject {
 public:
  // The start of a document that we publish: `$schema` (an address) and the
  // version of its format.
  static JsonObject Document(absl::string_view schema);
  // `json` is a value in JSON.
  void Add(absl::string_view key, absl::string_view json);
  void AddString(absl::string_view key, absl::string_view text) {
    Add(key, JsonString(text));
  }
  // `value` is an integer of any type.
  void AddNumber(absl::string_view key, const absl::AlphaNum& value);
  void AddBool(absl::string_view key, bool value) {
    Add(key, value ? "true" : "false");
  }
  bool empty() const { return text_.empty(); }
  std::string Text() const;

 private:
  std::string text_;
};

}  // namespace vt::base
