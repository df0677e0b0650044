// SPDX-License-Identifier: Apache-2.0

#include "daemon/run/dotenv.h"

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_split.h"

#include "daemon/base/path.h"

namespace vt::run {
namespace {

bool IsNameCharacter(char c) {
  return absl::ascii_isalnum(static_cast<unsigned char>(c)) || c == '_';
}

}  // namespace

bool IsDotenvFile(absl::string_view path) {
  const absl::string_view name = base::Basename(path);
  return name == ".env" || absl::StartsWith(name, ".env.");
}

std::set<std::string> DotenvReferences(absl::string_view text) {
  std::set<std::string> names;
  for (absl::string_view line : absl::StrSplit(text, '\n')) {
    line = absl::StripAsciiWhitespace(line);
    if (absl::StartsWith(line, "#")) {
      continue;
    }
    for (size_t i = 0; i < line.size(); ++i) {
      if (line[i] != '$' || (i > 0 && line[i - 1] == '\\')) {
        continue;
      }
      size_t begin = i + 1;
      if (begin < line.size() && line[begin] == '{') {
        ++begin;
      }
      size_t end = begin;
      while (end < line.size() && IsNameCharacter(line[end])) {
        ++end;
      }
      if (end > begin) {
        names.emplace(line.substr(begin, end - begin));
      }
    }
  }
  return names;
}

}  // namespace vt::run
