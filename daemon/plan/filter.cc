// SPDX-License-Identifier: Apache-2.0

#include "daemon/plan/filter.h"

#include <iterator>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"

#include "daemon/base/glob.h"
#include "daemon/base/path.h"
#include "daemon/base/status.h"
#include "daemon/plan/git_changes.h"
#include "daemon/workspace/config.h"

namespace vt::plan {
namespace {

// A `,` that is not inside of braces.
bool HasOuterComma(absl::string_view text) {
  int depth = 0;
  for (const char c : text) {
    depth += c == '{' ? 1 : c == '}' ? -1 : 0;
    if (c == ',' && depth == 0) {
      return true;
    }
  }
  return false;
}

absl::Status Invalid(absl::string_view token, absl::string_view why) {
  return absl::InvalidArgumentError(
      absl::StrCat("invalid --filter expression `", token, "`\n* ", why));
}

// Packages below each package, or above it.
std::vector<std::vector<int>> Neighbours(const workspace::Workspace& workspace,
                                         bool dependents) {
  std::vector<std::vector<int>> out(workspace.packages.size());
  for (size_t i = 0; i < workspace.packages.size(); ++i) {
    for (const workspace::DependencyEdge& edge :
         workspace.packages[i].dependencies) {
      const auto target = static_cast<size_t>(edge.package);
      if (dependents) {
        out[target].push_back(static_cast<int>(i));
      } else {
        out[i].push_back(edge.package);
      }
    }
  }
  return out;
}

std::set<int> Closure(const workspace::Workspace& workspace,
                      std::set<int> packages, bool dependents) {
  const std::vector<std::vector<int>> next = Neighbours(workspace, dependents);
  std::vector<int> open(packages.begin(), packages.end());
  while (!open.empty()) {
    const int package = open.back();
    open.pop_back();
    for (const int neighbour : next[static_cast<size_t>(package)]) {
      if (packages.insert(neighbour).second) {
        open.push_back(neighbour);
      }
    }
  }
  return packages;
}

absl::StatusOr<std::set<int>> MatchName(const workspace::Workspace& workspace,
                                        const Filter& filter) {
  std::set<int> out;
  if (!base::Glob::HasSpecial(filter.name)) {
    const std::vector<int> found = PackagesByName(workspace, filter.name);
    // Two scopes with this name: none is meant (R-SEL-8). Two packages with
    // exactly this name: both are (R-SEL-7).
    if (found.size() == 1 ||
        (!found.empty() &&
         workspace.packages[static_cast<size_t>(found[0])].name ==
             filter.name)) {
      out.insert(found.begin(), found.end());
    }
    return out;
  }
  // X-6: `*` crosses `/` in names, as in pnpm.
  absl::StatusOr<base::Glob> glob =
      base::Glob::Parse(filter.name, base::Glob::Style::kFlat);
  if (!glob.ok()) {
    return Invalid(filter.token,
                   absl::StrCat("failed to parse glob expression: ",
                                glob.status().message()));
  }
  for (size_t i = 0; i < workspace.packages.size(); ++i) {
    const std::string& name = workspace.packages[i].name;
    if (!name.empty() && glob->Matches(name)) {
      out.insert(static_cast<int>(i));
    }
  }
  return out;
}

absl::StatusOr<std::set<int>> MatchDirectory(
    const workspace::Workspace& workspace, const Filter& filter,
    const std::string& cwd) {
  std::set<int> out;
  if (!base::Glob::HasSpecial(filter.directory)) {
    const std::string directory =
        base::NormalizePath(base::JoinPath(cwd, filter.directory));
    for (size_t i = 0; i < workspace.packages.size(); ++i) {
      if (workspace.packages[i].directory == directory) {
        out.insert(static_cast<int>(i));
      }
    }
    return out;
  }
  absl::string_view pattern = filter.directory;
  while (absl::ConsumeSuffix(&pattern, "/")) {
  }
  const std::string here = base::RelativeTo(cwd, workspace.root).value_or("");
  absl::StatusOr<std::string> relative =
      workspace::RootRelativeGlob(here, pattern);
  if (!relative.ok()) {
    if (absl::StrContains(relative.status().message(), "outside")) {
      return out;  // nothing of the workspace is there
    }
    return Invalid(filter.token,
                   absl::StrCat("failed to parse glob expression: ",
                                relative.status().message()));
  }
  VT_ASSIGN_OR_RETURN(const base::Glob glob,
                      base::Glob::Parse(*relative, base::Glob::Style::kPath));
  for (size_t i = 0; i < workspace.packages.size(); ++i) {
    if (glob.Matches(workspace.packages[i].path)) {
      out.insert(static_cast<int>(i));
    }
  }
  return out;
}

// X-7. A file belongs to the innermost package around it, as in pnpm.
absl::StatusOr<std::set<int>> MatchChanged(
    const workspace::Workspace& workspace, const Filter& filter,
    const CallerFacts& caller) {
  const absl::StatusOr<std::vector<std::string>> files =
      ChangedSince(filter.since, workspace.root, caller.env);
  if (!files.ok()) {
    return base::Annotate(files.status(),
                          absl::StrCat("--filter ", filter.token));
  }
  std::set<int> out;
  for (const std::string& file : *files) {
    out.insert(workspace.PackageOf(
        base::Dirname(base::JoinPath(workspace.root, file))));
  }
  return out;
}

void KeepCommon(const std::set<int>& other, std::set<int>* packages) {
  for (auto at = packages->begin(); at != packages->end();) {
    at = other.count(*at) > 0 ? std::next(at) : packages->erase(at);
  }
}

}  // namespace

std::vector<int> PackagesByName(const workspace::Workspace& workspace,
                                absl::string_view name) {
  std::vector<int> exact;
  std::vector<int> scoped;
  const std::string suffix = absl::StrCat("/", name);
  for (size_t i = 0; i < workspace.packages.size(); ++i) {
    const absl::string_view candidate = workspace.packages[i].name;
    if (candidate == name) {
      exact.push_back(static_cast<int>(i));
    } else if (absl::StartsWith(candidate, "@") &&
               absl::EndsWith(candidate, suffix) &&
               candidate.find('/') == candidate.size() - suffix.size()) {
      scoped.push_back(static_cast<int>(i));
    }
  }
  return exact.empty() && !name.empty() ? scoped : exact;
}

std::set<int> WithDependencies(const workspace::Workspace& workspace,
                               std::set<int> packages) {
  return Closure(workspace, std::move(packages), /*dependents=*/false);
}

absl::StatusOr<Filter> ParseFilter(absl::string_view token) {
  Filter filter;
  filter.token = std::string(token);
  absl::string_view rest = token;
  filter.exclude = absl::ConsumePrefix(&rest, "!");
  filter.dependents = absl::ConsumePrefix(&rest, "...");
  if (filter.dependents) {
    filter.without_self = absl::ConsumePrefix(&rest, "^");
  }
  filter.dependencies = absl::ConsumeSuffix(&rest, "...");
  if (filter.dependencies && absl::ConsumeSuffix(&rest, "^")) {
    filter.without_self = true;
  }
  if (rest.empty()) {
    return Invalid(token, "Empty filter selector");
  }
  if (rest[0] == '.') {
    // R-SEL-16: no traversal from a directory without braces.
    filter.dependents = filter.dependencies = filter.without_self = false;
    filter.by_directory = true;
    filter.directory = std::string(rest);
    return filter;
  }
  if (rest.back() == ']') {
    const size_t bracket = rest.rfind('[');
    if (bracket != absl::string_view::npos) {
      filter.since =
          std::string(rest.substr(bracket + 1, rest.size() - bracket - 2));
      rest = rest.substr(0, bracket);
      if (filter.since.empty()) {
        return Invalid(token, "Empty git reference in `[]`");
      }
    }
  }
  const size_t brace = rest.find('{');
  if (brace != absl::string_view::npos && rest.back() == '}') {
    filter.by_directory = true;
    filter.directory =
        std::string(rest.substr(brace + 1, rest.size() - brace - 2));
    rest = rest.substr(0, brace);
    if (filter.directory.empty()) {
      return Invalid(token, "Empty filter selector");
    }
    if (HasOuterComma(filter.directory)) {
      return Invalid(token,
                     "failed to parse glob expression: braces hold one "
                     "directory; to choose several packages repeat -F");
    }
  }
  filter.by_name = !rest.empty();
  filter.name = std::string(rest);
  return filter;
}

absl::StatusOr<std::set<int>> ApplyFilter(const workspace::Workspace& workspace,
                                          const Filter& filter,
                                          const CallerFacts& caller) {
  std::set<int> matched;
  for (size_t i = 0; i < workspace.packages.size(); ++i) {
    matched.insert(static_cast<int>(i));
  }
  if (filter.by_name) {
    VT_ASSIGN_OR_RETURN(const std::set<int> named,
                        MatchName(workspace, filter));
    KeepCommon(named, &matched);
  }
  if (filter.by_directory) {
    VT_ASSIGN_OR_RETURN(const std::set<int> there,
                        MatchDirectory(workspace, filter, caller.cwd));
    KeepCommon(there, &matched);
  }
  if (!filter.since.empty()) {
    VT_ASSIGN_OR_RETURN(const std::set<int> changed,
                        MatchChanged(workspace, filter, caller));
    KeepCommon(changed, &matched);
  }
  std::set<int> out = matched;
  if (filter.dependents) {
    out = Closure(workspace, std::move(out), /*dependents=*/true);
  }
  if (filter.dependencies) {
    out = Closure(workspace, std::move(out), /*dependents=*/false);
  }
  if (filter.without_self) {
    for (const int package : matched) {
      out.erase(package);
    }
  }
  return out;
}

}  // namespace vt::plan
