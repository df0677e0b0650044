// SPDX-License-Identifier: Apache-2.0

#include "daemon/base/find_program.h"

#include <sys/stat.h>
#include <unistd.h>

#include "absl/strings/match.h"
#include "absl/strings/str_split.h"

#include "daemon/base/consulted.h"
#include "daemon/base/path.h"

namespace vt::base {
namespace {

bool IsProgram(const std::string& path) {
  NoteConsulted(path, /*follows=*/true);
  struct stat status = {};
  return ::stat(path.c_str(), &status) == 0 && S_ISREG(status.st_mode) &&
         ::access(path.c_str(), X_OK) == 0;
}

}  // namespace

std::string FindProgram(const std::string& name, const std::string& path,
                        const std::string& cwd) {
  if (name.empty()) {
    return "";
  }
  if (absl::StrContains(name, '/')) {
    const std::string program = NormalizePath(JoinPath(cwd, name));
    return IsProgram(program) ? program : "";
  }
  for (const absl::string_view entry : absl::StrSplit(path, ':')) {
    // An empty entry is the current directory (execvp(3)).
    const std::string program = NormalizePath(
        JoinPath(JoinPath(cwd, entry.empty() ? "." : entry), name));
    if (IsProgram(program)) {
      return program;
    }
  }
  return "";
}

}  // namespace vt::base
