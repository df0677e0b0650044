// SPDX-License-Identifier: Apache-2.0
//
// The native grammar of commands: the part of shell syntax that vtask runs
// itself, one step for each part of `a && b` (spec/runner.md R-PLAN-1 to 6).

#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/string_view.h"

namespace vt::plan {

// `A=1 B=2 program arg…`, unquoted.
struct SimpleCommand {
  std::vector<std::pair<std::string, std::string>> assignments;
  std::vector<std::string> words;  // at least one
  std::string text;                // as written
};

// list := simple ('&&' simple)* ';'?, with blanks, a comment and line
// continuations. nullopt if `command` is anything else: then the whole of it is
// for /bin/sh.
std::optional<std::vector<SimpleCommand>> ParseNative(
    absl::string_view command);

// `word` as a shell would read it back; unchanged if that is safe.
std::string ShellQuote(absl::string_view word);

// `command` of a shell with quoted `args` behind it, and neither behind a line
// end nor in a comment.
std::string AppendShellArguments(absl::string_view command,
                                 const std::vector<std::string>& args);

}  // namespace vt::plan
