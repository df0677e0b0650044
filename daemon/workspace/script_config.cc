// SPDX-License-Identifier: Apache-2.0

#include "daemon/workspace/script_config.h"

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

// Behind the quoted text that starts at `start`; templates may nest code, which
// is skipped by counting braces.
size_t SkipString(absl::string_view s, size_t start) {
  const char quote = s[start];
  size_t i = start + 1;
  int depth = 0;
  while (i < s.size()) {
    if (s[i] == '\\') {
      ++i;
    } else if (quote == '`' && absl::StartsWith(s.substr(i), "${")) {
      ++depth;
      ++i;
    } else if (depth > 0) {
      depth += s[i] == '{' ? 1 : s[i] == '}' ? -1 : 0;
    } else if (s[i] == quote || (quote != '`' && s[i] == '\n')) {
      return i + 1;
    }
    ++i;
  }
  return s.size();
}

size_t SkipRegularExpression(absl::string_view s, size_t start) {
  bool in_class = false;
  for (size_t i = start + 1; i < s.size() && s[i] != '\n'; ++i) {
    if (s[i] == '\\') {
      ++i;
    } else if (s[i] == '[') {
      in_class = true;
    } else if (s[i] == ']') {
      in_class = false;
    } else if (s[i] == '/' && !in_class) {
      return i + 1;
    }
  }
  return start + 1;  // a division after all
}

// Whether a `/` behind `before` starts a regular expression.
bool ExpressionMayStart(const std::vector<Token>& before) {
  if (before.empty()) {
    return true;
  }
  const Token& last = before.back();
  if (last.kind == Token::Kind::kPunctuation) {
    return !last.Is(")") && !last.Is("]") && !last.Is("}");
  }
  return last.Is("return") || last.Is("typeof") || last.Is("case");
}

std::vector<Token> Tokenize(absl::string_view s) {
  std::vector<Token> out;
  size_t i = 0;
  while (i < s.size()) {
    const absl::string_view rest = s.substr(i);
    if (absl::ascii_isspace(static_cast<unsigned char>(s[i]))) {
      ++i;
    } else if (absl::StartsWith(rest, "//") || absl::StartsWith(rest, "#!")) {
      const size_t end = s.find('\n', i);
      i = end == absl::string_view::npos ? s.size() : end;
    } else if (absl::StartsWith(rest, "/*")) {
      const size_t end = s.find("*/", i + 2);
      i = end == absl::string_view::npos ? s.size() : end + 2;
    } else if (s[i] == '"' || s[i] == '\'' || s[i] == '`') {
      const size_t end = SkipString(s, i);
      out.push_back({Token::Kind::kString,
                     end > i + 1 ? s.substr(i + 1, end - i - 2) : ""});
      i = end;
    } else if (s[i] == '/' && ExpressionMayStart(out)) {
      const size_t end = SkipRegularExpression(s, i);
      out.push_back({Token::Kind::kString, ""});
      i = end;
    } else if (IsWordCharacter(s[i])) {
      size_t end = i;
      while (end < s.size() && IsWordCharacter(s[end])) {
        ++end;
      }
      out.push_back({Token::Kind::kWord, s.substr(i, end - i)});
      i = end;
    } else {
      const size_t length = absl::StartsWith(rest, "=>") ? 2 : 1;
      out.push_back({Token::Kind::kPunctuation, s.substr(i, length)});
      i += length;
    }
  }
  return out;
}

// Whether the `{` behind `before` opens an object literal (or a pattern).
bool OpensObject(const Token* before) {
  if (before == nullptr) {
    return false;
  }
  if (before->kind == Token::Kind::kPunctuation) {
    return !before->Is(")") && !before->Is("=>") && !before->Is(";") &&
           !before->Is("{") && !before->Is("}") && !before->Is(">");
  }
  return before->Is("return") || before->Is("default");
}

// Whether what closes at `tokens[i]` was a pattern: `({a}) =>`, `{a} = b`.
bool WasPattern(const std::vector<Token>& tokens, size_t i) {
  auto is = [&tokens](size_t at, absl::string_view what) {
    return at < tokens.size() && tokens[at].Is(what);
  };
  if (is(i + 1, "=")) {
    return true;
  }
  return is(i + 1, ")") && (is(i + 2, "=>") || is(i + 2, "{"));
}

struct Open {
  char bracket = '(';
  bool object = false;
  bool found = false;  // `run` was seen directly inside
};

bool IsRunProperty(const std::vector<Token>& tokens, size_t i) {
  const Token& token = tokens[i];
  if (token.text != "run" || token.kind == Token::Kind::kPunctuation ||
      i == 0 || i + 1 == tokens.size()) {
    return false;
  }
  size_t before = i - 1;
  if (tokens[before].Is("async") && before > 0) {
    --before;
  }
  if (!tokens[before].Is("{") && !tokens[before].Is(",")) {
    return false;
  }
  const Token& after = tokens[i + 1];
  return after.Is(":") || after.Is("(") ||
         (token.kind == Token::Kind::kWord && (after.Is(",") || after.Is("}")));
}

}  // namespace

bool SetsRun(absl::string_view source) {
  if (!absl::StrContains(source, "run")) {
    return false;
  }
  const std::vector<Token> tokens = Tokenize(source);
  std::vector<Open> stack;
  int literals = 0;  // objects and arrays on the stack
  for (size_t i = 0; i < tokens.size(); ++i) {
    const Token& token = tokens[i];
    if (token.Is("{") || token.Is("(") || token.Is("[")) {
      Open open;
      open.bracket = token.text[0];
      open.object =
          token.Is("{") && OpensObject(i > 0 ? &tokens[i - 1] : nullptr);
      literals += open.object || token.Is("[") ? 1 : 0;
      stack.push_back(open);
    } else if ((token.Is("}") || token.Is(")") || token.Is("]")) &&
               !stack.empty()) {
      const Open open = stack.back();
      stack.pop_back();
      literals -= open.object || open.bracket == '[' ? 1 : 0;
      if (open.found && !WasPattern(tokens, i)) {
        return true;
      }
    } else if (!stack.empty() && stack.back().object && literals == 1 &&
               IsRunProperty(tokens, i)) {
      stack.back().found = true;
    }
  }
  return false;
}

}  // namespace vt::workspace
