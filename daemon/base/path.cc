// SPDX-License-Identifier: Apache-2.0

#include "daemon/base/path.h"

#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"

namespace vt::base {

std::string JoinPath(absl::string_view base, absl::string_view name) {
  if (absl::StartsWith(name, "/") || base.empty()) {
    return std::string(name);
  }
  if (name.empty()) {
    return std::string(base);
  }
  return absl::StrCat(base, absl::EndsWith(base, "/") ? "" : "/", name);
}

std::string NormalizePath(absl::string_view path) {
  const bool absolute = absl::StartsWith(path, "/");
  std::vector<absl::string_view> kept;
  for (absl::string_view part : absl::StrSplit(path, '/')) {
    if (part.empty() || part == ".") {
      continue;
    }
    if (part != "..") {
      kept.push_back(part);
    } else if (!kept.empty() && kept.back() != "..") {
      kept.pop_back();
    } else if (!absolute) {
      kept.push_back(part);
    }
  }
  return absl::StrCat(absolute ? "/" : "", absl::StrJoin(kept, "/"));
}

bool IsWithin(absl::string_view path, absl::string_view directory) {
  if (directory.empty() || directory == "/") {
    return true;
  }
  return absl::StartsWith(path, directory) &&
         (path.size() == directory.size() || path[directory.size()] == '/');
}

std::optional<std::string> RelativeTo(absl::string_view path,
                                      absl::string_view directory) {
  if (!IsWithin(path, directory)) {
    return std::nullopt;
  }
  path.remove_prefix(directory == "/" ? 0 : directory.size());
  return std::string(absl::StripPrefix(path, "/"));
}

absl::string_view Dirname(absl::string_view path) {
  const size_t slash = path.rfind('/');
  if (slash == absl::string_view::npos) {
    return "";
  }
  return path.substr(0, slash == 0 ? 1 : slash);
}

absl::string_view Basename(absl::string_view path) {
  const size_t slash = path.rfind('/');
  return slash == absl::string_view::npos ? path : path.substr(slash + 1);
}

std::string FileUrl(absl::string_view path) {
  std::string url = "file://";
  for (const char c : path) {
    const auto byte = static_cast<unsigned char>(c);
    // RFC 3986, 2.3 and 3.3.
    if (absl::ascii_isalnum(byte) ||
        absl::string_view("/-._~+@").find(c) != absl::string_view::npos) {
      url.push_back(c);
    } else {
      absl::StrAppendFormat(&url, "%%%02X", byte);
    }
  }
  return url;
}

}  // namespace vt::base
