// SPDX-License-Identifier: Apache-2.0

#include "daemon/report/github.h"

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"

namespace vt::report {
namespace {

// As the runner's own toolkit escapes data (actions/toolkit, command.ts).
std::string EscapeData(absl::string_view text) {
  return absl::StrReplaceAll(text,
                             {{"%", "%25"}, {"\r", "%0D"}, {"\n", "%0A"}});
}

std::string EscapeProperty(absl::string_view text) {
  return absl::StrReplaceAll(EscapeData(text), {{":", "%3A"}, {",", "%2C"}});
}

}  // namespace

std::string GithubGroup(absl::string_view title, absl::string_view text) {
  return absl::StrCat("::group::", EscapeData(title), "\n", text,
                      text.empty() || absl::EndsWith(text, "\n") ? "" : "\n",
                      "::endgroup::\n");
}

std::string GithubError(absl::string_view title, absl::string_view message) {
  return absl::StrCat("::error title=", EscapeProperty(title),
                      "::", EscapeData(message), "\n");
}

}  // namespace vt::report
