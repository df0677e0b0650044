// SPDX-License-Identifier: Apache-2.0

#include "daemon/plan/select.h"

#include <algorithm>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"

#include "daemon/base/status.h"
#include "daemon/base/suggest.h"
#include "daemon/plan/filter.h"

namespace vt::plan {
namespace {

const workspace::Package& PackageAt(const workspace::Workspace& workspace,
                                    int index) {
  return workspace.packages[static_cast<size_t>(index)];
}

struct Specifier {
  std::optional<int> package;
  std::string task;
};

absl::Status Ambiguous(const workspace::Workspace& workspace,
                       absl::string_view name, const std::vector<int>& found) {
  std::vector<std::string> places;
  for (const int index : found) {
    places.push_back(PackageAt(workspace, index).directory);
  }
  return absl::NotFoundError(absl::StrCat(
      "Package name '", name, "' is ambiguous; found in multiple locations: ",
      absl::StrJoin(places, ", ")));
}

absl::Status UnknownPackage(const workspace::Workspace& workspace,
                            absl::string_view name) {
  std::vector<std::string> names;
  for (const workspace::Package& package : workspace.packages) {
    names.push_back(package.name);
  }
  return absl::NotFoundError(absl::StrCat("Package '", name,
                                          "' not found in the workspace",
                                          base::DidYouMean(name, names)));
}

// R-CLI-3 and X-16: at every `#`, the longest package name that exists first,
// one that has the task before one that has not; then the whole as a name.
absl::StatusOr<Specifier> ParseSpecifier(const workspace::Workspace& workspace,
                                         const std::string& text, int current) {
  std::optional<Specifier> fallback;
  absl::Status ambiguous;
  for (size_t hash = text.rfind('#'); hash != std::string::npos;
       hash = hash == 0 ? std::string::npos : text.rfind('#', hash - 1)) {
    const std::string name = text.substr(0, hash);
    const std::string task = text.substr(hash + 1);
    const std::vector<int> found = PackagesByName(workspace, name);
    if (found.size() > 1) {
      if (ambiguous.ok()) {
        ambiguous = Ambiguous(workspace, name, found);
      }
      continue;
    }
    if (found.empty()) {
      continue;
    }
    if (PackageAt(workspace, found[0]).tasks.count(task) > 0) {
      return Specifier{found[0], task};
    }
    if (!fallback.has_value()) {
      fallback = Specifier{found[0], task};
    }
  }
  const size_t last = text.rfind('#');
  if (last == std::string::npos ||
      PackageAt(workspace, current).tasks.count(text) > 0) {
    return Specifier{std::nullopt, text};
  }
  if (fallback.has_value()) {
    return *fallback;
  }
  if (!ambiguous.ok()) {
    return ambiguous;
  }
  return UnknownPackage(workspace, text.substr(0, last));
}

absl::Status SelectByFilters(const workspace::Workspace& workspace,
                             const RunFlags& flags, const CallerFacts& caller,
                             Selection* out) {
  std::vector<Filter> filters;
  for (const std::string& value : flags.filters) {
    for (const absl::string_view token : absl::StrSplit(
             value, absl::ByAnyChar(" \t\n\r\f\v"), absl::SkipEmpty())) {
      VT_ASSIGN_OR_RETURN(Filter filter, ParseFilter(token));
      filters.push_back(std::move(filter));
    }
  }
  const bool only_exclusions =
      std::all_of(filters.begin(), filters.end(),
                  [](const Filter& filter) { return filter.exclude; });
  if (only_exclusions && !flags.workspace_root) {
    for (size_t i = 0; i < workspace.packages.size(); ++i) {
      out->packages.insert(static_cast<int>(i));
    }
  }
  std::vector<std::string> unmatched;
  std::set<int> excluded;
  for (const Filter& filter : filters) {
    VT_ASSIGN_OR_RETURN(const std::set<int> found,
                        ApplyFilter(workspace, filter, caller));
    (filter.exclude ? excluded : out->packages)
        .insert(found.begin(), found.end());
    if (found.empty() && !filter.exclude) {
      unmatched.push_back(filter.token);
    }
  }
  if (flags.workspace_root) {
    out->packages.insert(0);
  }
  for (const int package : excluded) {
    out->packages.erase(package);
  }
  if (flags.fail_if_no_match && !unmatched.empty()) {
    return absl::NotFoundError(absl::StrCat("No packages matched the filter: ",
                                            absl::StrJoin(unmatched, ", ")));
  }
  for (const std::string& token : unmatched) {
    out->warnings.push_back(
        absl::StrCat("No packages matched the filter: ", token));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<Selection> Select(const workspace::Workspace& workspace,
                                 const RunFlags& flags,
                                 const CallerFacts& caller) {
  Selection out;
  const int current = workspace.PackageOf(caller.cwd);
  const bool many = flags.recursive || !flags.filters.empty();
  absl::StatusOr<Specifier> specifier =
      ParseSpecifier(workspace, *flags.task, current);
  if (many || flags.workspace_root) {
    if (specifier.ok() && specifier->package.has_value()) {
      return absl::InvalidArgumentError(absl::StrCat(
          "cannot specify package name with ", flags.recursive ? "--recursive"
                                               : !flags.filters.empty()
                                                   ? "--filter"
                                                   : "--workspace-root"));
    }
    // No such package: the `#` is part of the task's name.
    specifier = Specifier{std::nullopt, *flags.task};
  }
  VT_RETURN_IF_ERROR(specifier.status());
  out.task = specifier->task;
  if (!flags.filters.empty()) {
    VT_RETURN_IF_ERROR(SelectByFilters(workspace, flags, caller, &out));
    return out;
  }
  if (flags.recursive) {
    for (size_t i = 0; i < workspace.packages.size(); ++i) {
      out.packages.insert(static_cast<int>(i));
    }
    return out;
  }
  out.packages = {flags.workspace_root ? 0
                                       : specifier->package.value_or(current)};
  out.single = !flags.transitive;
  if (flags.transitive) {
    out.packages = WithDependencies(workspace, std::move(out.packages));
  }
  return out;
}

}  // namespace vt::plan
