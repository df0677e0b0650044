// SPDX-License-Identifier: Apache-2.0

#include "daemon/migrate/migrate.h"

#include <unistd.h>

#include <map>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"

#include "daemon/base/file.h"
#include "daemon/base/path.h"
#include "daemon/base/status.h"
#include "daemon/migrate/config_text.h"
#include "daemon/migrate/manifest_edit.h"
#include "daemon/migrate/nx.h"
#include "daemon/migrate/project.h"
#include "daemon/migrate/turbo.h"
#include "daemon/migrate/wireit.h"
#include "daemon/workspace/sources.h"

namespace vt::migrate {
namespace {

struct File {
  std::string path;  // relative to the root
  std::string text;
};

// The first tool that is there, or the one that is asked for.
absl::StatusOr<Converted> Read(const Project& project,
                               const std::string& from) {
  using Convert = absl::StatusOr<std::optional<Converted>> (*)(const Project&);
  const std::pair<const char*, Convert> tools[] = {
      {"turbo", &ConvertTurbo}, {"nx", &ConvertNx}, {"wireit", &ConvertWireit}};
  for (const auto& [name, convert] : tools) {
    if (!from.empty() && from != name) {
      continue;
    }
    VT_ASSIGN_OR_RETURN(std::optional<Converted> converted, convert(project));
    if (converted.has_value()) {
      return *std::move(converted);
    }
  }
  return absl::NotFoundError(
      from.empty() ? absl::StrCat("nothing to migrate: no turbo.json, nx.json, "
                                  "project.json or `wireit` in ",
                                  project.root())
                   : absl::StrCat("nothing to migrate: ", project.root(),
                                  " does not use ", from));
}

// How a file in `directory` names the schema: by a path if the workspace has
// it, as a URL if it lies where it does for everybody on such a machine. Else
// "", for the file is shared.
std::string SchemaFor(const Project& project, const std::string& directory,
                      const MigrateOptions& options) {
  if (options.schema.empty() || ::access(options.schema.c_str(), R_OK) != 0) {
    return "";
  }
  const std::optional<std::string> inside =
      base::RelativeTo(options.schema, project.root());
  if (!inside.has_value()) {
    return base::IsWithin(options.schema, options.home)
               ? ""
               : base::FileUrl(options.schema);
  }
  if (absl::StrContains(*inside, "/.")) {
    return "";  // .pnpm/vtask@1.2.3/…
  }
  std::string up;
  for (const absl::string_view part :
       absl::StrSplit(directory, '/', absl::SkipEmpty())) {
    up += part.empty() ? "" : "../";
  }
  return absl::StrCat(up.empty() ? "./" : up, *inside);
}

absl::Status CheckFree(const Project& project, const Converted& converted,
                       bool force) {
  std::vector<std::string> taken;
  for (const auto& [package, config] : converted.configs) {
    const workspace::Sources::Source& source = project.Source(package);
    if (!source.json.empty() && !force) {
      taken.push_back(project.FileOf(package, "vite-task.json"));
    }
  }
  if (taken.empty()) {
    return absl::OkStatus();
  }
  return absl::FailedPreconditionError(absl::StrCat(
      absl::StrJoin(taken, ", "), taken.size() == 1 ? " exists" : " exist",
      ": nothing was written; `--force` overwrites"));
}

// Scripts that become tasks, by package.
std::map<int, std::set<std::string>> Replaced(const Converted& converted) {
  std::map<int, std::set<std::string>> scripts;
  for (const auto& [package, config] : converted.configs) {
    for (const NewTask& task : config.tasks) {
      if (!task.replaces.empty()) {
        scripts[package].insert(task.replaces);
      }
    }
  }
  return scripts;
}

absl::StatusOr<std::vector<File>> FilesOf(const Project& project,
                                          const Converted& converted,
                                          const MigrateOptions& options) {
  std::vector<File> files;
  const std::string origin = absl::StrJoin(converted.read, ", ");
  for (const auto& [package, config] : converted.configs) {
    files.push_back(
        {project.FileOf(package, "vite-task.json"),
         ConfigText(
             config,
             converted.read.size() <= 2 ? origin : converted.read.front(),
             SchemaFor(project, project.package(package).path, options))});
  }
  if (options.move_scripts) {
    for (const auto& [package, names] : Replaced(converted)) {
      const std::string file = project.FileOf(package, "package.json");
      VT_ASSIGN_OR_RETURN(const std::string text,
                          base::ReadFile(base::JoinPath(project.root(), file)));
      VT_ASSIGN_OR_RETURN(std::string without, WithoutScripts(text, names));
      files.push_back({file, std::move(without)});
    }
  }
  return files;
}

std::string Report(const Project& project, const Converted& converted,
                   const std::vector<File>& files,
                   const MigrateOptions& options) {
  std::string out;
  if (!options.dry_run) {
    absl::StrAppend(&out, "Read ", absl::StrJoin(converted.read, ", "), ".\n");
  }
  for (const File& file : files) {
    if (options.dry_run) {
      absl::StrAppend(&out, "--- ", file.path, "\n", file.text, "\n");
    } else {
      absl::StrAppend(&out, "Wrote ", file.path, ".\n");
    }
  }
  if (files.empty()) {
    absl::StrAppend(&out, "No package has a task to migrate.\n");
  }
  const auto replaced = Replaced(converted);
  if (!replaced.empty() && !options.move_scripts) {
    absl::StrAppend(&out,
                    "\nThese scripts are tasks now. A script and a task of one "
                    "name are an error, so\ntake them out of package.json, or "
                    "let `vt migrate --move-scripts",
                    options.dry_run ? "" : " --force", "` do it:\n");
    for (const auto& [package, names] : replaced) {
      absl::StrAppend(&out, "  ", project.FileOf(package, "package.json"), ": ",
                      absl::StrJoin(names, ", "), "\n");
    }
  }
  std::vector<std::string> notes = converted.notes;
  for (const auto& [package, config] : converted.configs) {
    if (const std::string& script = project.Source(package).script;
        !script.empty()) {
      notes.push_back(absl::StrCat(
          script, " may have a field `run`: one package cannot have both"));
    }
  }
  if (!notes.empty()) {
    absl::StrAppend(&out, "\nTo look at:\n");
    for (const std::string& note : notes) {
      absl::StrAppend(&out, "  - ", note, "\n");
    }
  }
  if (options.dry_run) {
    absl::StrAppend(&out, "\nNothing was written.\n");
  }
  return out;
}

}  // namespace

absl::StatusOr<std::string> Migrate(const std::string& cwd,
                                    const MigrateOptions& options) {
  VT_ASSIGN_OR_RETURN(workspace::Sources sources, workspace::Scan(cwd));
  const Project project(std::move(sources));
  VT_ASSIGN_OR_RETURN(const Converted converted, Read(project, options.from));
  VT_RETURN_IF_ERROR(
      CheckFree(project, converted, options.force || options.dry_run));
  VT_ASSIGN_OR_RETURN(const std::vector<File> files,
                      FilesOf(project, converted, options));
  if (!options.dry_run) {
    for (const File& file : files) {
      VT_RETURN_IF_ERROR(
          base::WriteFileAtomic(base::JoinPath(project.root(), file.path),
                                file.text, 0666 & ~options.umask));
    }
  }
  return Report(project, converted, files, options);
}

}  // namespace vt::migrate
