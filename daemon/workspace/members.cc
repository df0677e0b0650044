// SPDX-License-Identifier: Apache-2.0

#include "daemon/workspace/members.h"

#include <dirent.h>
#include <sys/stat.h>

#include <algorithm>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"

#include "daemon/base/consulted.h"
#include "daemon/base/file.h"
#include "daemon/base/path.h"
#include "daemon/base/status.h"

namespace vt::workspace {
namespace {

constexpr absl::string_view kNodeModules = "node_modules";

std::string Child(absl::string_view directory, absl::string_view name) {
  return directory.empty() ? std::string(name)
                           : absl::StrCat(directory, "/", name);
}

// Names of the sub-directories of `path`, unsorted; symbolic links are not
// followed (R-WS-3).
std::vector<std::string> SubDirectories(const std::string& path) {
  std::vector<std::string> names;
  base::NoteListed(path, /*directories_only=*/true);
  const std::unique_ptr<DIR, int (*)(DIR*)> dir(::opendir(path.c_str()),
                                                &::closedir);
  if (dir == nullptr) {
    return names;  // not readable: as if it were not there
  }
  // readdir is thread-safe on streams of one's own (readdir(3), glibc).
  while (const dirent* entry =
             ::readdir(dir.get())) {  // NOLINT(concurrency-mt-unsafe)
    const absl::string_view name = entry->d_name;
    if (name == "." || name == ".." || name == kNodeModules) {
      continue;
    }
    bool is_directory = entry->d_type == DT_DIR;
    if (entry->d_type == DT_UNKNOWN) {
      struct stat status = {};
      is_directory = ::lstat(Child(path, name).c_str(), &status) == 0 &&
                     S_ISDIR(status.st_mode);
    }
    if (is_directory) {
      names.emplace_back(name);
    }
  }
  return names;
}

absl::StatusOr<std::optional<Manifest>> ReadManifestAt(
    const std::string& directory) {
  const std::string file = base::JoinPath(directory, "package.json");
  absl::StatusOr<std::string> text = base::ReadFile(file);
  if (absl::IsNotFound(text.status())) {
    return std::optional<Manifest>();
  }
  VT_RETURN_IF_ERROR(text.status());
  VT_ASSIGN_OR_RETURN(Manifest manifest, ParseManifest(*text, file));
  return std::optional<Manifest>(std::move(manifest));
}

// The patterns of the workspace file in `directory`, nullopt if it has none.
absl::StatusOr<std::optional<std::vector<MemberPattern>>> PatternsAt(
    const std::string& directory, const std::optional<Manifest>& manifest) {
  const std::string file = base::JoinPath(directory, "pnpm-workspace.yaml");
  absl::StatusOr<std::string> text = base::ReadFile(file);
  std::optional<std::vector<MemberPattern>> patterns;
  if (text.ok()) {
    VT_ASSIGN_OR_RETURN(patterns, ParsePnpmWorkspace(*text, file));
  } else if (!absl::IsNotFound(text.status())) {
    return text.status();
  } else if (manifest.has_value()) {
    patterns = manifest->workspaces;
  }
  return patterns;
}

}  // namespace

absl::StatusOr<MemberPatterns> MemberPatterns::Parse(
    const std::vector<MemberPattern>& patterns) {
  MemberPatterns out;
  for (const MemberPattern& pattern : patterns) {
    absl::string_view text = pattern.text;
    bool negative = false;
    while (absl::ConsumePrefix(&text, "!")) {
      negative = !negative;
    }
    while (absl::ConsumePrefix(&text, "./") ||
           absl::ConsumePrefix(&text, "/")) {
    }
    while (absl::ConsumeSuffix(&text, "/")) {
    }
    if (text.empty() || text == ".") {
      continue;  // the root, which is a member anyway
    }
    absl::StatusOr<base::Glob> glob =
        base::Glob::Parse(text, base::Glob::Style::kPath);
    if (!glob.ok()) {
      return base::Annotate(
          glob.status(),
          absl::StrCat(pattern.file, ":", pattern.line, ":", pattern.column));
    }
    out.entries_.push_back({*std::move(glob), negative});
  }
  return out;
}

bool MemberPatterns::Includes(absl::string_view path) const {
  for (const absl::string_view part : absl::StrSplit(path, '/')) {
    if (part == kNodeModules) {
      return false;
    }
  }
  for (auto entry = entries_.rbegin(); entry != entries_.rend(); ++entry) {
    if (entry->glob.Matches(path)) {
      return !entry->negative;
    }
  }
  return false;
}

std::vector<std::string> MemberPatterns::Positive() const {
  std::vector<std::string> patterns;
  for (const Entry& entry : entries_) {
    if (!entry.negative) {
      patterns.push_back(entry.glob.pattern());
    }
  }
  return patterns;
}

void MemberPatterns::Walk(const std::string& root, const std::string& path,
                          std::vector<std::string>* out) const {
  if (!path.empty() && Includes(path) &&
      base::Exists(absl::StrCat(root, "/", path, "/package.json"))) {
    out->push_back(path);
  }
  const bool enter =
      std::any_of(entries_.begin(), entries_.end(), [&path](const Entry& e) {
        return !e.negative && e.glob.MayMatchBelow(path);
      });
  if (!enter) {
    return;
  }
  for (const std::string& name : SubDirectories(Child(root, path))) {
    Walk(root, Child(path, name), out);
  }
}

std::vector<std::string> MemberPatterns::Find(const std::string& root) const {
  std::vector<std::string> found;
  Walk(root, "", &found);
  std::sort(found.begin(), found.end());
  return found;
}

absl::StatusOr<Root> FindRoot(absl::string_view cwd) {
  std::string package;  // P of R-WS-2
  for (std::string directory(cwd);;
       directory = std::string(base::Dirname(directory))) {
    VT_ASSIGN_OR_RETURN(const std::optional<Manifest> manifest,
                        ReadManifestAt(directory));
    if (manifest.has_value() && package.empty()) {
      package = directory;
    }
    VT_ASSIGN_OR_RETURN(const auto patterns, PatternsAt(directory, manifest));
    if (patterns.has_value()) {
      VT_ASSIGN_OR_RETURN(MemberPatterns members,
                          MemberPatterns::Parse(*patterns));
      const std::string path =
          base::RelativeTo(package, directory).value_or("");
      if (package.empty() || path.empty() || members.Includes(path)) {
        return Root{directory, manifest.has_value(), std::move(members)};
      }
      break;
    }
    if (directory == "/" || directory.empty()) {
      break;
    }
  }
  if (package.empty()) {
    return absl::NotFoundError(
        absl::StrCat("Package not found in workspace: `", cwd,
                     "`\n* no package.json or pnpm-workspace.yaml in this "
                     "directory or above it"));
  }
  return Root{package, true, std::nullopt};
}

}  // namespace vt::workspace
