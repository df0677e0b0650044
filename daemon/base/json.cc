// SPDX-License-Identifier: Apache-2.0

#include "daemon/base/json.h"

#include <cstdint>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

#include "daemon/base/status.h"
#include "daemon/base/utf8.h"

namespace vt::base {
namespace {

// Deeper documents are attacks on the stack.
constexpr int kMaxDepth = 200;

// One pass over the text. Thread-compatible.
class Parser {
 public:
  Parser(absl::string_view text, JsonDialect dialect, absl::string_view file)
      : text_(text),
        relaxed_(dialect == JsonDialect::kRelaxed),
        file_(file) {}

  absl::StatusOr<Json> Document() {
    if (absl::StartsWith(text_, "\xEF\xBB\xBF")) {
      text_.remove_prefix(3);
    }
    Json value;
    VT_RETURN_IF_ERROR(Blank());
    VT_RETURN_IF_ERROR(Value(&value, 0));
    VT_RETURN_IF_ERROR(Blank());
    if (at_ < text_.size()) {
      return Wrong("expected the end of the file");
    }
    return value;
  }

 private:
  bool AtEnd() const { return at_ >= text_.size(); }
  char Peek() const { return AtEnd() ? '\0' : text_[at_]; }

  // Every character goes through here, so that the position is right.
  void Next() {
    const auto c = static_cast<unsigned char>(text_[at_++]);
    if (c == '\n') {
      ++line_;
      column_ = 1;
    } else if ((c & 0xC0) != 0x80) {  // not inside a UTF-8 sequence
      ++column_;
    }
  }

  absl::Status ErrorAt(int line, int column, absl::string_view what) const {
    return absl::InvalidArgumentError(
        absl::StrCat(file_, ":", line, ":", column, ": ", what));
  }
  absl::Status Wrong(absl::string_view expected) const {
    std::string found = "the end of the file";
    if (!AtEnd()) {
      size_t length = 1;
      while (at_ + length < text_.size() &&
             (static_cast<unsigned char>(text_[at_ + length]) & 0xC0) == 0x80) {
        ++length;
      }
      const auto c = static_cast<unsigned char>(Peek());
      found = c < 0x20 ? absl::StrCat("control character ", int{c})
                       : absl::StrCat("`", text_.substr(at_, length), "`");
    }
    return ErrorAt(line_, column_, absl::StrCat(expected, ", found ", found));
  }

  // White space, and comments where they are allowed.
  absl::Status Blank() {
    while (!AtEnd()) {
      const char c = Peek();
      if (c == ' ' || c == '\t' || c == '\n' || c == '\r') {
        Next();
      } else if (c == '/') {
        VT_RETURN_IF_ERROR(Comment());
      } else {
        break;
      }
    }
    return absl::OkStatus();
  }

  absl::Status Comment() {
    const int line = line_;
    const int column = column_;
    const absl::string_view rest = text_.substr(at_);
    if (!relaxed_) {
      return ErrorAt(line, column, "comments are not allowed in this file");
    }
    if (absl::StartsWith(rest, "//")) {
      while (!AtEnd() && Peek() != '\n') {
        Next();
      }
      return absl::OkStatus();
    }
    if (!absl::StartsWith(rest, "/*")) {
      return Wrong("expected a value or a comment");
    }
    const size_t end = text_.find("*/", at_ + 2);
    if (end == absl::string_view::npos) {
      return ErrorAt(line, column, "this comment is not closed");
    }
    while (at_ < end + 2) {
      Next();
    }
    return absl::OkStatus();
  }

  absl::Status Value(Json* out, int depth) {
    if (depth > kMaxDepth) {
      return ErrorAt(line_, column_, "nested too deeply");
    }
    out->line = line_;
    out->column = column_;
    switch (Peek()) {
      case '{':
        return Object(out, depth);
      case '[':
        return Array(out, depth);
      case '"':
        out->type = Json::Type::kString;
        return String(&out->text);
      case 't':
        out->type = Json::Type::kBool;
        out->boolean = true;
        return Word("true");
      case 'f':
        out->type = Json::Type::kBool;
        return Word("false");
      case 'n':
        return Word("null");
      default:
        if (Peek() == '-' ||
            absl::ascii_isdigit(static_cast<unsigned char>(Peek()))) {
          out->type = Json::Type::kNumber;
          return Number(&out->text);
        }
        return Wrong("expected a value");
    }
  }

  absl::Status Word(absl::string_view word) {
    for (const char c : word) {
      if (AtEnd() || Peek() != c) {
        return Wrong(absl::StrCat("expected `", word, "`"));
      }
      Next();
    }
    return absl::OkStatus();
  }

  absl::Status Digits() {
    if (!absl::ascii_isdigit(static_cast<unsigned char>(Peek()))) {
      return Wrong("expected a digit");
    }
    while (absl::ascii_isdigit(static_cast<unsigned char>(Peek()))) {
      Next();
    }
    return absl::OkStatus();
  }

  absl::Status Number(std::string* out) {
    const size_t start = at_;
    if (Peek() == '-') {
      Next();
    }
    if (Peek() == '0') {
      Next();
    } else {
      VT_RETURN_IF_ERROR(Digits());
    }
    if (Peek() == '.') {
      Next();
      VT_RETURN_IF_ERROR(Digits());
    }
    if (Peek() == 'e' || Peek() == 'E') {
      Next();
      if (Peek() == '+' || Peek() == '-') {
        Next();
      }
      VT_RETURN_IF_ERROR(Digits());
    }
    *out = std::string(text_.substr(start, at_ - start));
    return absl::OkStatus();
  }

  absl::Status String(std::string* out) {
    const int line = line_;
    const int column = column_;
    Next();
    while (true) {
      if (AtEnd()) {
        return ErrorAt(line, column, "this string is not closed");
      }
      const char c = Peek();
      if (c == '"') {
        Next();
        return absl::OkStatus();
      }
      if (static_cast<unsigned char>(c) < 0x20) {
        return c == '\n' || c == '\r'
                   ? ErrorAt(line, column,
                             "this string is not closed on its line")
                   : Wrong("control characters must be escaped in a string");
      }
      if (c == '\\') {
        VT_RETURN_IF_ERROR(EscapeSequence(out));
      } else {
        out->push_back(c);
        Next();
      }
    }
  }

  absl::Status EscapeSequence(std::string* out) {
    Next();
    constexpr absl::string_view kFrom = "\"\\/bfnrt";
    constexpr absl::string_view kTo = "\"\\/\b\f\n\r\t";
    if (!AtEnd() && Peek() == 'u') {
      Next();
      uint32_t code = 0;
      VT_RETURN_IF_ERROR(Hex4(&code));
      if (code >= 0xD800 && code < 0xDC00 &&
          absl::StartsWith(text_.substr(at_), "\\u")) {
        Next();
        Next();
        uint32_t low = 0;
        VT_RETURN_IF_ERROR(Hex4(&low));
        if (low >= 0xDC00 && low < 0xE000) {
          code = 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00);
        } else {
          base::AppendUtf8(0xFFFD, out);
          code = low;
        }
      }
      // Half a surrogate pair is no character.
      base::AppendUtf8(code >= 0xD800 && code < 0xE000 ? 0xFFFD : code, out);
      return absl::OkStatus();
    }
    const size_t index = AtEnd() ? absl::string_view::npos : kFrom.find(Peek());
    if (index == absl::string_view::npos) {
      return Wrong("expected an escape sequence");
    }
    out->push_back(kTo[index]);
    Next();
    return absl::OkStatus();
  }

  absl::Status Hex4(uint32_t* out) {
    for (int i = 0; i < 4; ++i) {
      const auto c = static_cast<unsigned char>(Peek());
      if (AtEnd() || !absl::ascii_isxdigit(c)) {
        return Wrong("expected four hexadecimal digits");
      }
      const int digit =
          absl::ascii_isdigit(c) ? c - '0' : absl::ascii_tolower(c) - 'a' + 10;
      *out = *out * 16 + static_cast<uint32_t>(digit);
      Next();
    }
    return absl::OkStatus();
  }

  absl::Status Array(Json* out, int depth) {
    out->type = Json::Type::kArray;
    Next();
    VT_RETURN_IF_ERROR(Blank());
    while (Peek() != ']') {
      out->items.emplace_back();
      VT_RETURN_IF_ERROR(Value(&out->items.back(), depth + 1));
      VT_RETURN_IF_ERROR(Separator(']'));
    }
    Next();
    return absl::OkStatus();
  }

  absl::Status Object(Json* out, int depth) {
    out->type = Json::Type::kObject;
    Next();
    VT_RETURN_IF_ERROR(Blank());
    while (Peek() != '}') {
      JsonMember member;
      member.line = line_;
      member.column = column_;
      if (Peek() != '"') {
        return Wrong("expected a key in double quotes");
      }
      VT_RETURN_IF_ERROR(String(&member.key));
      if (relaxed_ && out->Find(member.key) != nullptr) {
        return ErrorAt(
            member.line, member.column,
            absl::StrCat("key `", member.key, "` is in this object already"));
      }
      VT_RETURN_IF_ERROR(Blank());
      if (Peek() != ':') {
        return Wrong("expected `:`");
      }
      Next();
      VT_RETURN_IF_ERROR(Blank());
      VT_RETURN_IF_ERROR(Value(&member.value, depth + 1));
      out->members.push_back(std::move(member));
      VT_RETURN_IF_ERROR(Separator('}'));
    }
    Next();
    return absl::OkStatus();
  }

  // Behind an entry: a comma and another entry, or `close`, which is left.
  absl::Status Separator(char close) {
    VT_RETURN_IF_ERROR(Blank());
    if (Peek() == close && !AtEnd()) {
      return absl::OkStatus();
    }
    if (AtEnd() || Peek() != ',') {
      return Wrong(
          absl::StrCat("expected `,` or `", std::string(1, close), "`"));
    }
    Next();
    VT_RETURN_IF_ERROR(Blank());
    if (Peek() == close && !relaxed_) {
      return Wrong("expected another entry after the comma");
    }
    return absl::OkStatus();
  }

  absl::string_view text_;
  const bool relaxed_;
  const std::string file_;
  size_t at_ = 0;
  int line_ = 1;
  int column_ = 1;
};

}  // namespace

const Json* Json::Find(absl::string_view key) const {
  for (auto member = members.rbegin(); member != members.rend(); ++member) {
    if (member->key == key) {
      return &member->value;
    }
  }
  return nullptr;
}

absl::StatusOr<Json> ParseJson(absl::string_view text, JsonDialect dialect,
                               absl::string_view file) {
  return Parser(text, dialect, file).Document();
}

std::string Describe(const Json& value) {
  switch (value.type) {
    case Json::Type::kNull:
      return "null";
    case Json::Type::kBool:
      return value.boolean ? "`true`" : "`false`";
    case Json::Type::kNumber:
      return absl::StrCat("number ", value.text);
    case Json::Type::kString:
      return absl::StrCat("string \"", absl::Utf8SafeCEscape(value.text), "\"");
    case Json::Type::kArray:
      return "an array";
    case Json::Type::kObject:
      return "an object";
  }
  return "";
}

}  // namespace vt::base
