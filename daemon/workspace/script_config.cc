// SPDX-License-Identifier: Apache-2.0

#include "daemon/workspace/script_config.h"

#include <algorithm>
#include <string>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"

namespace vt::workspace {
namespace {

struct Token {
  enum class Kind { kWord, kString, kPunctuation };
  Kind kind = Kind::kPunctuation;
  absl::string_view text;  // kString: without quotes

  bool Is(absl::string_view what) const {
    return kind != Kind::kString && text == what;
  }
};

bool IsWordCharacter(char c) {
  return absl::ascii_isalnum(static_cast<unsigned char>(c)) || c == '_' ||
         c == '$' || (static_cast<unsigned char>(c) & 0x80) != 0;
}

// Whether `word` stands in `text` by itself, wherever.
bool HasWord(absl::string_view text, absl::string_view word) {
  for (size_t at = text.find(word); at != absl::string_view::npos;
       at = text.find(word, at + 1)) {
    const size_t end = at + word.size();
    if ((at == 0 || !IsWordCharacter(text[at - 1])) &&
        (end == text.size() || !IsWordCharacter(text[end]))) {
      return true;
    }
  }
  return false;
}

// Whether `source` may import something by code, not by declaration.
bool HasAnyImport(absl::string_view source) {
  return HasWord(source, "import") || HasWord(source, "require");
}

// Thread-compatible.
class Tokenizer {
 public:
  explicit Tokenizer(absl::string_view source) : s_(source) {}

  // False: what this is cannot be told without a parser.
  bool Run() {
    while (at_ < s_.size() && sure_) {
      Step();
    }
    return sure_;
  }
  const std::vector<Token>& tokens() const { return tokens_; }

 private:
  void Step() {
    const absl::string_view rest = s_.substr(at_);
    const char c = s_[at_];
    if (absl::ascii_isspace(static_cast<unsigned char>(c))) {
      ++at_;
    } else if (absl::StartsWith(rest, "//") || absl::StartsWith(rest, "#!")) {
      at_ = std::min(s_.find('\n', at_), s_.size());
    } else if (absl::StartsWith(rest, "/*")) {
      const size_t end = s_.find("*/", at_ + 2);
      at_ = end == absl::string_view::npos ? s_.size() : end + 2;
    } else if (c == '"' || c == '\'') {
      Quoted(c);
    } else if (c == '`') {
      Template();
    } else if (c == '/' && ExpressionMayStart()) {
      RegularExpression();
    } else if (IsWordCharacter(c)) {
      size_t end = at_;
      while (end < s_.size() && IsWordCharacter(s_[end])) {
        ++end;
      }
      Push(Token::Kind::kWord, s_.substr(at_, end - at_), end);
    } else {
      Push(Token::Kind::kPunctuation, s_.substr(at_, 1), at_ + 1);
    }
  }

  void Push(Token::Kind kind, absl::string_view text, size_t end) {
    tokens_.push_back({kind, text});
    at_ = end;
  }

  // To the end of the line at most, as in JavaScript.
  void Quoted(char quote) {
    size_t i = at_ + 1;
    while (i < s_.size() && s_[i] != quote && s_[i] != '\n') {
      // An escape may spell anything.
      sure_ = sure_ && (s_[i] != '\\' || i + 1 == s_.size() ||
                        (s_[i + 1] != 'u' && s_[i + 1] != 'x'));
      i += s_[i] == '\\' ? 2 : 1;
    }
    i = std::min(i, s_.size());
    Push(Token::Kind::kString, s_.substr(at_ + 1, i - at_ - 1),
         std::min(i + 1, s_.size()));
  }

  // One that holds code is left alone if the code cannot matter.
  void Template() {
    size_t i = at_ + 1;
    int depth = 0;
    bool has_code = false;
    while (i < s_.size() && (depth > 0 || s_[i] != '`')) {
      if (s_[i] == '\\') {
        ++i;
      } else if (absl::StartsWith(s_.substr(i), "${")) {
        has_code = true;
        ++depth;
        ++i;
      } else if (depth > 0) {
        depth += s_[i] == '{' ? 1 : s_[i] == '}' ? -1 : 0;
      }
      ++i;
    }
    i = std::min(i, s_.size());
    const absl::string_view text = s_.substr(at_ + 1, i - at_ - 1);
    if (has_code && (HasWord(text, "run") || HasAnyImport(text))) {
      sure_ = false;
    }
    Push(Token::Kind::kString, text, std::min(i + 1, s_.size()));
  }

  void RegularExpression() {
    bool in_class = false;
    size_t i = at_ + 1;
    for (; i < s_.size() && s_[i] != '\n'; ++i) {
      if (s_[i] == '\\') {
        ++i;
      } else if (s_[i] == '[') {
        in_class = true;
      } else if (s_[i] == ']') {
        in_class = false;
      } else if (s_[i] == '/' && !in_class) {
        Push(Token::Kind::kString, "", i + 1);
        return;
      }
    }
    sure_ = false;
  }

  // Whether the `/` here starts a regular expression, not a division.
  bool ExpressionMayStart() {
    if (tokens_.empty()) {
      return true;
    }
    const Token& last = tokens_.back();
    if (last.kind != Token::Kind::kPunctuation) {
      return last.Is("return") || last.Is("typeof") || last.Is("case");
    }
    if (last.Is(")") || last.Is("}")) {
      // Both are possible: `(a) / b`, and `if (a) /b/.test(c)`.
      sure_ = false;
    }
    return !last.Is("]");
  }

  const absl::string_view s_;
  size_t at_ = 0;
  bool sure_ = true;
  std::vector<Token> tokens_;
};

// Whether `specifier` leads to a file of the workspace.
bool IsInside(absl::string_view specifier,
              const std::function<bool(absl::string_view)>& is_member) {
  if (absl::StartsWith(specifier, "node:")) {
    return false;
  }
  // Relative, absolute, `#imports` of the package itself, any URL.
  if (specifier.empty() || specifier[0] == '.' || specifier[0] == '/' ||
      specifier[0] == '#' || absl::StrContains(specifier, ':') ||
      absl::StrContains(specifier, '\\')) {
    return true;
  }
  size_t end = specifier.find('/');
  if (specifier[0] == '@' && end != absl::string_view::npos) {
    end = specifier.find('/', end + 1);
  }
  return is_member(specifier.substr(0, end));
}

// What the tokens of one file say. Thread-compatible.
class Reader {
 public:
  Reader(const std::vector<Token>& tokens,
         const std::function<bool(absl::string_view)>& is_member)
      : tokens_(tokens),
        is_member_(is_member) {}

  bool MayHaveRun() const {
    bool exports = false;
    bool says_export = false;
    for (size_t i = 0; i < tokens_.size(); ++i) {
      const Token& token = tokens_[i];
      if (token.kind == Token::Kind::kPunctuation) {
        continue;
      }
      if (token.text == "run" || token.Is("createRequire") ||
          ImportsInside(i)) {
        return true;
      }
      says_export = says_export || token.Is("export");
      exports = exports || token.Is("exports") ||
                (says_export && token.Is("default"));
    }
    return !exports;
  }

 private:
  const Token* At(size_t i) const {
    return i < tokens_.size() ? &tokens_[i] : nullptr;
  }
  bool Is(size_t i, absl::string_view what) const {
    return At(i) != nullptr && At(i)->Is(what);
  }
  bool IsString(size_t i) const {
    return At(i) != nullptr && At(i)->kind == Token::Kind::kString;
  }

  // `import 'x'`, `import("x")`, `require("x")`, `… from 'x'`.
  bool ImportsInside(size_t i) const {
    const bool is_import = Is(i, "import");
    const bool is_require = Is(i, "require");
    if ((is_import || Is(i, "from")) && IsString(i + 1)) {
      return IsInside(tokens_[i + 1].text, is_member_);
    }
    if ((is_import || is_require) && Is(i + 1, "(")) {
      const bool is_plain =
          IsString(i + 2) && (Is(i + 3, ")") || Is(i + 3, ","));
      return !is_plain || IsInside(tokens_[i + 2].text, is_member_);
    }
    // A `require` that is handed on may be called by another name.
    return is_require && !Is(i + 1, ".");
  }

  const std::vector<Token>& tokens_;
  const std::function<bool(absl::string_view)>& is_member_;
};

}  // namespace

bool MayHaveRun(absl::string_view source,
                const std::function<bool(absl::string_view)>& is_member) {
  Tokenizer tokenizer(source);
  if (!tokenizer.Run()) {
    // No word of it can be trusted to be a comment.
    return HasWord(source, "run") || HasAnyImport(source) ||
           absl::StrContains(source, '\\') ||
           !(HasWord(source, "export") || HasWord(source, "exports"));
  }
  return Reader(tokenizer.tokens(), is_member).MayHaveRun();
}

}  // namespace vt::workspace
