// SPDX-License-Identifier: Apache-2.0

#include "daemon/run/ignored_paths.h"

#include <climits>
#include <cstdlib>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"

#include "daemon/base/path.h"

namespace vt::run {
namespace {

// `path` relative to `root` as tool-ipc 4.1.3 says: the root is stripped first,
// by components, then the rest is cleaned; what leaves the root on the way is
// outside, even if it comes back.
std::optional<std::string> StripRoot(absl::string_view path,
                                     absl::string_view root) {
  for (absl::string_view rest = root; !rest.empty();) {
    // Next component of the root.
    rest = absl::StripPrefix(rest, "/");
    const absl::string_view component = rest.substr(0, rest.find('/'));
    rest.remove_prefix(component.size());
    while (absl::ConsumePrefix(&path, "/")) {
    }
    if (!absl::ConsumePrefix(&path, component) ||
        (!path.empty() && path[0] != '/')) {
      return std::nullopt;
    }
  }
  while (absl::ConsumePrefix(&path, "/")) {
  }
  std::string clean = base::NormalizePath(path);
  if (clean == ".." || clean.substr(0, 3) == "../") {
    return std::nullopt;
  }
  return clean;
}

bool HasParentComponent(absl::string_view path) {
  for (const absl::string_view component : absl::StrSplit(path, '/')) {
    if (component == "..") {
      return true;
    }
  }
  return false;
}

// Resolves the links of the part of absolute `path` that exists.
std::string Resolve(const std::string& path) {
  char resolved[PATH_MAX];
  if (::realpath(path.c_str(), resolved) != nullptr) {
    return resolved;
  }
  const std::string parent(base::Dirname(path));
  if (parent.empty() || parent == path) {
    return path;
  }
  return base::JoinPath(Resolve(parent), base::Basename(path));
}

}  // namespace

IgnoredPaths::IgnoredPaths(const std::string& root,
                           const std::vector<ipc::PathReport>& reports) {
  for (const ipc::PathReport& report : reports) {
    for (const std::string& path : PathsOf(report.path, root)) {
      paths_.insert(path);
    }
  }
}

std::set<std::string> IgnoredPaths::PathsOf(const std::string& reported,
                                            const std::string& root) {
  std::set<std::string> paths;
  const std::optional<std::string> spelled = StripRoot(reported, root);
  if (spelled.has_value()) {
    paths.insert(*spelled);
  } else if (HasParentComponent(reported)) {
    return paths;
  }
  // A NUL cannot be in a name; realpath would cut there.
  if (reported.find('\0') == std::string::npos) {
    const std::string resolved =
        Resolve(spelled.has_value() ? base::JoinPath(root, *spelled)
                                    : base::NormalizePath(reported));
    if (std::optional<std::string> path = base::RelativeTo(resolved, root)) {
      paths.insert(*std::move(path));
    }
  }
  return paths;
}

bool IgnoredPaths::Covers(const std::string& path) const {
  if (paths_.empty()) {
    return false;
  }
  if (paths_.contains("")) {
    return true;
  }
  for (size_t end = path.find('/');; end = path.find('/', end + 1)) {
    if (paths_.contains(path.substr(0, end))) {
      return true;
    }
    if (end == std::string::npos) {
      return false;
    }
  }
}

std::vector<std::string> IgnoredPaths::ChildrenOf(
    const std::string& directory) const {
  std::vector<std::string> children;
  for (const std::string& path : paths_) {
    if (!path.empty() && base::Dirname(path) == directory) {
      children.push_back(path);
    }
  }
  return children;
}

}  // namespace vt::run
