// SPDX-License-Identifier: Apache-2.0

#include "daemon/plan/shell_words.h"

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

#include "daemon/base/utf8.h"

namespace vt::plan {
namespace {

bool IsNameStart(char c) {
  return absl::ascii_isalpha(static_cast<unsigned char>(c)) || c == '_';
}
bool IsNameCharacter(char c) {
  return IsNameStart(c) || absl::ascii_isdigit(static_cast<unsigned char>(c));
}

// Words that begin a compound command where a program may stand (POSIX 2.4 and
// those of bash that scripts use).
bool IsReserved(absl::string_view word) {
  for (const absl::string_view reserved :
       {"!",     "{",     "}",  "case", "do",     "done",     "elif",
        "else",  "esac",  "fi", "for",  "if",     "in",       "then",
        "until", "while", "[[", "]]",   "select", "function", "coproc"}) {
    if (word == reserved) {
      return true;
    }
  }
  return false;
}

struct Word {
  std::string value;  // unquoted
  // Where an unquoted `NAME=` at the start ends in `value`, 0 if it has none.
  size_t assignment = 0;
  bool quoted = false;  // some of it was
};

// One pass over a command. Every method returns false for what the native
// grammar does not have. Thread-compatible.
class Scanner {
 public:
  explicit Scanner(absl::string_view text) : text_(text) {}

  bool List(std::vector<SimpleCommand>* out) {
    SkipBlanks(/*newlines=*/true);
    while (true) {
      SimpleCommand command;
      if (!Simple(&command)) {
        return false;
      }
      out->push_back(std::move(command));
      if (!absl::StartsWith(Rest(), "&&")) {
        break;
      }
      at_ += 2;
      SkipBlanks(/*newlines=*/true);
    }
    if (Peek() == ';') {
      ++at_;
    }
    SkipBlanks(/*newlines=*/true);
    SkipComment();
    SkipBlanks(/*newlines=*/true);
    return AtEnd();
  }

 private:
  bool AtEnd() const { return at_ >= text_.size(); }
  char Peek() const { return AtEnd() ? '\0' : text_[at_]; }
  absl::string_view Rest() const { return text_.substr(at_); }

  void SkipBlanks(bool newlines) {
    while (!AtEnd()) {
      if (Peek() == ' ' || Peek() == '\t' || (newlines && Peek() == '\n')) {
        ++at_;
      } else if (absl::StartsWith(Rest(), "\\\n")) {
        at_ += 2;
      } else {
        return;
      }
    }
  }
  void SkipComment() {
    if (Peek() == '#') {
      while (!AtEnd() && Peek() != '\n') {
        ++at_;
      }
    }
  }

  // Up to `&&`, `;`, a line end, a comment or the end.
  bool Simple(SimpleCommand* out) {
    const size_t start = at_;
    size_t end = at_;
    while (true) {
      if (AtEnd() || Peek() == '\n' || Peek() == ';' || Peek() == '#' ||
          absl::StartsWith(Rest(), "&&")) {
        break;
      }
      Word word;
      if (!OneWord(&word)) {
        return false;
      }
      end = at_;
      if (word.assignment > 0) {
        if (!out->words.empty()) {
          return false;  // `make X=1` is the shell's
        }
        out->assignments.emplace_back(word.value.substr(0, word.assignment - 1),
                                      word.value.substr(word.assignment));
      } else if (out->words.empty() && !word.quoted && IsReserved(word.value)) {
        return false;
      } else {
        out->words.push_back(std::move(word.value));
      }
      SkipBlanks(/*newlines=*/false);
    }
    SkipComment();
    out->text = std::string(text_.substr(start, end - start));
    return !out->words.empty();
  }

  bool OneWord(Word* out) {
    if (!AssignmentName(out)) {
      return false;
    }
    while (!AtEnd()) {
      const char c = Peek();
      if (c == ' ' || c == '\t' || c == '\n' || c == ';' ||
          absl::StartsWith(Rest(), "&&")) {
        break;
      }
      if (absl::string_view("|&<>()`").find(c) != absl::string_view::npos) {
        return false;
      }
      if (!Piece(c, out)) {
        return false;
      }
    }
    return true;
  }

  // Takes `NAME=` if the word begins with it; refuses `NAME+=`, `NAME[i]=`.
  bool AssignmentName(Word* out) {
    if (!IsNameStart(Peek())) {
      return true;
    }
    size_t end = at_;
    while (end < text_.size() && IsNameCharacter(text_[end])) {
      ++end;
    }
    const absl::string_view rest = text_.substr(end);
    if (absl::StartsWith(rest, "+=")) {
      return false;
    }
    if (absl::StartsWith(rest, "[")) {
      const size_t close = rest.find(']');
      const absl::string_view behind =
          close == absl::string_view::npos ? "" : rest.substr(close + 1);
      return !absl::StartsWith(behind, "=") && !absl::StartsWith(behind, "+=");
    }
    if (absl::StartsWith(rest, "=")) {
      out->value = std::string(text_.substr(at_, end + 1 - at_));
      out->assignment = out->value.size();
      at_ = end + 1;
    }
    return true;
  }

  bool Piece(char c, Word* out) {
    switch (c) {
      case '\'': {
        const size_t close = text_.find('\'', at_ + 1);
        if (close == absl::string_view::npos) {
          return false;
        }
        out->quoted = true;
        absl::StrAppend(&out->value, text_.substr(at_ + 1, close - at_ - 1));
        at_ = close + 1;
        return true;
      }
      case '"':
        out->quoted = true;
        return DoubleQuoted(&out->value);
      case '\\':
        return Backslash(out);
      case '$':
        if (absl::StartsWith(Rest(), "$'")) {
          out->quoted = true;
          return DollarQuoted(&out->value);
        }
        return Dollar(&out->value);
      default:
        out->value.push_back(c);
        ++at_;
        return true;
    }
  }

  bool Backslash(Word* out) {
    if (at_ + 1 >= text_.size()) {
      return false;
    }
    if (text_[at_ + 1] != '\n') {
      out->value.push_back(text_[at_ + 1]);
      out->quoted = true;
    }
    at_ += 2;
    return true;
  }

  // A `$` that expands nothing is itself.
  bool Dollar(std::string* out) {
    const char next = at_ + 1 < text_.size() ? text_[at_ + 1] : '\0';
    if (IsNameCharacter(next) ||
        (next != '\0' && absl::string_view("{([@*#?$!-'\"`").find(next) !=
                             absl::string_view::npos)) {
      return false;
    }
    out->push_back('$');
    ++at_;
    return true;
  }

  bool DoubleQuoted(std::string* out) {
    ++at_;
    while (!AtEnd()) {
      const char c = Peek();
      if (c == '"') {
        ++at_;
        return true;
      }
      if (c == '`') {
        return false;
      }
      if (c == '$') {
        if (absl::StartsWith(Rest(), "$\"") || absl::StartsWith(Rest(), "$'")) {
          out->push_back('$');  // the quote is not part of an expansion here
          ++at_;
        } else if (!Dollar(out)) {
          return false;
        }
        continue;
      }
      const char next = at_ + 1 < text_.size() ? text_[at_ + 1] : '\0';
      if (c == '\\' && next == '\n') {
        at_ += 2;
      } else if (c == '\\' &&
                 (next == '"' || next == '\\' || next == '`' || next == '$')) {
        out->push_back(next);
        at_ += 2;
      } else {
        out->push_back(c);
        ++at_;
      }
    }
    return false;
  }

  // `$'…'` with the escapes of POSIX.1-2024, 2.2.4.
  bool DollarQuoted(std::string* out) {
    at_ += 2;
    while (!AtEnd()) {
      const char c = Peek();
      ++at_;
      if (c == '\'') {
        return true;
      }
      if (c != '\\') {
        out->push_back(c);
      } else if (AtEnd() || !DollarEscape(out)) {
        return false;
      }
    }
    return false;
  }

  bool DollarEscape(std::string* out) {
    constexpr absl::string_view kFrom = "\"'\\?abefnrtv";
    constexpr absl::string_view kTo = "\"'\\?\a\b\x1b\f\n\r\t\v";
    const char c = Peek();
    ++at_;
    const size_t index = kFrom.find(c);
    if (index != absl::string_view::npos) {
      out->push_back(kTo[index]);
    } else if (c == 'c') {
      if (AtEnd()) {
        return false;
      }
      out->push_back(static_cast<char>(
          absl::ascii_toupper(static_cast<unsigned char>(Peek())) & 0x1f));
      ++at_;
    } else if (c == 'x') {
      out->push_back(static_cast<char>(Number(16, 2)));
    } else if (c == 'u' || c == 'U') {  // of bash
      base::AppendUtf8(Number(16, c == 'u' ? 4 : 8), out);
    } else if (c >= '0' && c <= '7') {
      --at_;
      out->push_back(static_cast<char>(Number(8, 3)));
    } else {
      out->push_back('\\');
      out->push_back(c);
    }
    return true;
  }

  uint32_t Number(uint32_t radix, int digits) {
    uint32_t value = 0;
    for (int i = 0; i < digits && !AtEnd(); ++i, ++at_) {
      const auto c = static_cast<unsigned char>(Peek());
      const auto lower = static_cast<unsigned char>(absl::ascii_tolower(c));
      const uint32_t digit = absl::ascii_isdigit(c) ? c - uint32_t{'0'}
                             : absl::ascii_isalpha(c)
                                 ? lower - uint32_t{'a'} + 10
                                 : radix;
      if (digit >= radix) {
        break;
      }
      value = value * radix + digit;
    }
    return value;
  }

  const absl::string_view text_;
  size_t at_ = 0;
};

// Where a comment at the end of the last line of `command` begins, or its size.
size_t TrailingComment(absl::string_view command) {
  char quote = '\0';
  bool word_start = true;
  size_t comment = absl::string_view::npos;
  for (size_t i = 0; i < command.size(); ++i) {
    const char c = command[i];
    if (comment != absl::string_view::npos) {
      if (c == '\n') {
        comment = absl::string_view::npos;
        word_start = true;
      }
      continue;
    }
    if (quote != '\0') {
      if (c == '\\' && quote == '"') {
        ++i;
      } else if (c == quote) {
        quote = '\0';
      }
      continue;
    }
    if (c == '#' && word_start) {
      comment = i;
      continue;
    }
    word_start =
        absl::string_view(" \t\n;&|()<>").find(c) != absl::string_view::npos;
    if (c == '\\') {
      ++i;
    } else if (c == '\'' || c == '"') {
      quote = c;
    }
  }
  return comment == absl::string_view::npos ? command.size() : comment;
}

}  // namespace

std::optional<std::vector<SimpleCommand>> ParseNative(
    absl::string_view command) {
  std::vector<SimpleCommand> commands;
  if (!Scanner(command).List(&commands)) {
    return std::nullopt;
  }
  return commands;
}

std::string ShellQuote(absl::string_view word) {
  bool safe = !word.empty();
  for (const char c : word) {
    safe = safe &&
           (absl::ascii_isalnum(static_cast<unsigned char>(c)) ||
            absl::string_view("-_=/,.+:@%").find(c) != absl::string_view::npos);
  }
  if (safe) {
    return std::string(word);
  }
  std::string out = "'";
  for (const char c : word) {
    if (c == '\'') {
      absl::StrAppend(&out, "'\\''");
    } else {
      out.push_back(c);
    }
  }
  out.push_back('\'');
  return out;
}

std::string AppendShellArguments(absl::string_view command,
                                 const std::vector<std::string>& args) {
  if (args.empty()) {
    return std::string(command);
  }
  // White space at the end goes: the arguments must stay on the last line.
  const absl::string_view text = absl::StripTrailingAsciiWhitespace(command);
  const size_t comment = TrailingComment(text);
  std::string out(absl::StripTrailingAsciiWhitespace(text.substr(0, comment)));
  for (const std::string& arg : args) {
    absl::StrAppend(&out, " ", ShellQuote(arg));
  }
  if (comment < text.size()) {
    absl::StrAppend(&out, " ", text.substr(comment));
  }
  return out;
}

}  // namespace vt::plan
