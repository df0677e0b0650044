// SPDX-License-Identifier: Apache-2.0

#include "daemon/base/json_text.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"

#include "daemon/base/utf8.h"

namespace vt::base {

std::string JsonString(absl::string_view text) {
  std::string out = "\"";
  while (!text.empty()) {
    const size_t length = Utf8Length(text);
    const char c = text[0];
    if (length == 0) {
      absl::StrAppend(&out, "\\ufffd");
      text.remove_prefix(1);
      continue;
    }
    if (c == '"' || c == '\\') {
      out += {'\\', c};
    } else if (c == '\n') {
      out += "\\n";
    } else if (c == '\t') {
      out += "\\t";
    } else if (static_cast<unsigned char>(c) < 0x20) {
      absl::StrAppendFormat(&out, "\\u%04x", static_cast<unsigned char>(c));
    } else {
      absl::StrAppend(&out, text.substr(0, length));
    }
    text.remove_prefix(length);
  }
  return out + "\"";
}

std::string JsonStrings(const std::vector<std::string>& values) {
  std::vector<std::string> quoted;
  quoted.reserve(values.size());
  for (const std::string& value : values) {
    quoted.push_back(JsonString(value));
  }
  return JsonArray(quoted);
}

std::string JsonArray(const std::vector<std::string>& values) {
  return absl::StrCat("[", absl::StrJoin(values, ","), "]");
}

void JsonObject::Add(absl::string_view key, absl::string_view json) {
  absl::StrAppend(&text_, text_.empty() ? "" : ",", JsonString(key), ":", json);
}

void JsonObject::AddNumber(absl::string_view key, const absl::AlphaNum& value) {
  Add(key, value.Piece());
}

JsonObject JsonObject::Document(absl::string_view schema) {
  JsonObject document;
  document.AddString("$schema", schema);
  document.AddNumber("version", 1);
  return document;
}

std::string JsonObject::Text() const { return absl::StrCat("{", text_, "}"); }

}  // namespace vt::base
