// SPDX-License-Identifier: Apache-2.0

#include "daemon/workspace/sources.h"

#include <stdlib.h>

#include <cerrno>
#include <climits>
#include <set>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

#include "daemon/base/consulted.h"
#include "daemon/base/file.h"
#include "daemon/base/path.h"
#include "daemon/base/status.h"
#include "daemon/workspace/members.h"
#include "daemon/workspace/script_config.h"

namespace vt::workspace {
namespace {

constexpr absl::string_view kConfigName = "vite-task.json";

absl::StatusOr<std::string> PhysicalPath(absl::string_view path) {
  char buffer[PATH_MAX];
  base::NoteConsulted(path, /*follows=*/true);
  if (::realpath(std::string(path).c_str(), buffer) == nullptr) {
    return base::ErrnoToStatus(errno, absl::StrCat("resolving `", path, "`"));
  }
  return std::string(buffer);
}

// The content of `file`, nullopt if there is none.
absl::StatusOr<std::optional<std::string>> ReadIfThere(
    const std::string& file) {
  absl::StatusOr<std::string> text = base::ReadFile(file);
  if (absl::IsNotFound(text.status())) {
    return std::optional<std::string>();
  }
  VT_RETURN_IF_ERROR(text.status());
  return std::optional<std::string>(*std::move(text));
}

// The vite.config file of `directory`, "" if there is none (R-CFG-1: the first
// that exists, the others are ignored).
std::string FindScript(const std::string& directory) {
  for (const char* extension : {"js", "mjs", "ts", "cjs", "mts", "cts"}) {
    std::string file = absl::StrCat(directory, "/vite.config.", extension);
    if (base::Exists(file)) {
      return file;
    }
  }
  return "";
}

absl::StatusOr<Manifest> LoadManifest(const std::string& directory) {
  const std::string file = base::JoinPath(directory, "package.json");
  VT_ASSIGN_OR_RETURN(const std::optional<std::string> text, ReadIfThere(file));
  if (!text.has_value()) {
    Manifest none;
    none.file = file;
    return none;
  }
  absl::StatusOr<Manifest> manifest = ParseManifest(*text, file);
  if (!manifest.ok()) {
    return absl::InvalidArgumentError(
        absl::StrCat("Failed to load package graph\n* Failed to parse JSON "
                     "file\n* ",
                     manifest.status().message()));
  }
  return manifest;
}

absl::StatusOr<Sources::Source> ScanPackage(const std::string& root,
                                            const std::string& path) {
  Sources::Source source;
  source.package.path = path;
  source.package.directory = path.empty() ? root : base::JoinPath(root, path);
  VT_ASSIGN_OR_RETURN(source.manifest, LoadManifest(source.package.directory));
  source.package.name = source.manifest.name;
  source.package.version = source.manifest.version;
  source.script = FindScript(source.package.directory);
  std::string json = base::JoinPath(source.package.directory, kConfigName);
  if (base::Exists(json)) {
    source.json = std::move(json);
  }
  return source;
}

// Forgets the scripts that cannot have a `run`. Needs the names of all
// packages.
absl::Status DropScriptsWithoutRun(Sources* sources) {
  std::set<absl::string_view> names;
  for (const Sources::Source& source : sources->packages) {
    names.insert(source.package.name);
  }
  for (Sources::Source& source : sources->packages) {
    if (source.script.empty()) {
      continue;
    }
    VT_ASSIGN_OR_RETURN(const std::string text, base::ReadFile(source.script));
    if (!MayHaveRun(text, [&names](absl::string_view name) {
          return names.contains(name);
        })) {
      source.script.clear();
    }
  }
  return absl::OkStatus();
}

}  // namespace

std::vector<std::string> Sources::Scripts() const {
  std::vector<std::string> scripts;
  for (const Source& source : packages) {
    if (!source.script.empty()) {
      scripts.push_back(source.script);
    }
  }
  return scripts;
}

absl::StatusOr<std::string> RootOf(absl::string_view cwd) {
  VT_ASSIGN_OR_RETURN(const std::string directory, PhysicalPath(cwd));
  VT_ASSIGN_OR_RETURN(Root root, FindRoot(directory));
  return std::move(root.directory);
}

absl::StatusOr<Sources> Scan(absl::string_view cwd) {
  VT_ASSIGN_OR_RETURN(const std::string directory, PhysicalPath(cwd));
  VT_ASSIGN_OR_RETURN(const Root root, FindRoot(directory));
  for (const char* name : {".pnp.cjs", ".pnp.js"}) {
    const std::string file = base::JoinPath(root.directory, name);
    if (base::Exists(file)) {
      return absl::InvalidArgumentError(
          absl::StrCat(file,
                       ": yarn Plug'n'Play is not supported; set `nodeLinker: "
                       "node-modules` in .yarnrc.yml and run `yarn install`"));
    }
  }
  std::vector<std::string> paths = {""};
  if (root.members.has_value()) {
    for (std::string& path : root.members->Find(root.directory)) {
      paths.push_back(std::move(path));
    }
  }
  Sources sources;
  sources.root = root.directory;
  if (root.members.has_value()) {
    sources.member_globs = root.members->Positive();
  }
  for (const std::string& path : paths) {
    VT_ASSIGN_OR_RETURN(Sources::Source source,
                        ScanPackage(sources.root, path));
    sources.packages.push_back(std::move(source));
  }
  VT_RETURN_IF_ERROR(DropScriptsWithoutRun(&sources));
  return sources;
}

}  // namespace vt::workspace
