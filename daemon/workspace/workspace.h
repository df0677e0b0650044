// SPDX-License-Identifier: Apache-2.0
//
// Workspace: a snapshot of the packages, scripts and task configurations of one
// workspace, as spec/runner.md 1 and 2 describe. Loaded whole, never changed.

#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace vt::workspace {

// Where something stands in a configuration file; line and column count from 1,
// 0: unknown.
struct Position {
  std::string file;  // absolute
  int line = 0;
  int column = 0;

  // "file:line:column", or the file alone.
  std::string ToString() const;
};

// One entry of `cache.input` or `cache.output`. `{auto: …}` becomes
// InputSetting::automatic instead.
struct GlobSetting {
  std::string pattern;  // relative to the workspace root, without "!"
  bool negative = false;
};
struct FileSetting {  // `input` or `output`
  bool automatic = true;
  std::vector<GlobSetting> globs;
};

struct CacheSettings {
  bool enabled = true;  // the task's own `cache` is not false
  std::vector<std::string> env;
  std::vector<std::string> untracked_env;
  FileSetting input;
  FileSetting output;
  // Ours (decisions H11).
  bool track = true;
  bool honor_tool_opt_out = true;
  bool share_root_only = false;
  std::vector<std::string> services;
  // The settings stand beside `cache`, not in it (R-CFG-17, X-2).
  bool older_form = false;
};

struct DependsOn {
  // Either `package#task` or `task` (package empty, same package)…
  std::optional<std::string> package;
  std::string task;
  // …or `{task, from}`: package.json fields.
  std::vector<std::string> from;
  Position position;
};

struct Task {
  std::string name;
  std::vector<std::string> commands;  // array entries, in order
  bool is_array = false;              // written as an array
  bool is_script = false;             // from package.json
  std::string cwd;                    // absolute, normalised
  std::vector<DependsOn> depends_on;
  CacheSettings cache;
  Position position;
};

struct DependencyEdge {
  int package = 0;    // index into Workspace::packages
  std::string field;  // "dependencies", "devDependencies"...
  std::string rule;   // why: "workspace:", "range", "file:"...
};

struct Package {
  std::string name;       // "" if unnamed
  std::string path;       // relative to the root, "" for the root
  std::string directory;  // absolute
  std::string version;
  // Scripts and tasks by name. A name stands once (R-CFG-8).
  std::map<std::string, Task> tasks;
  // To other packages of the workspace, by index and field; each pair once.
  std::vector<DependencyEdge> dependencies;
};

// Immutable.
struct Workspace {
  std::string root;  // absolute, physical (no symlinks)
  // Path globs of directories that are packages if they hold a package.json,
  // and no other pattern leaves them out; relative to the root.
  std::vector<std::string> member_globs;
  // The root first, then by path (bytes).
  std::vector<Package> packages;
  bool cache_scripts = false;  // run.cache of the root
  bool cache_tasks = true;
  bool pre_post_scripts = true;
  // `dependsOn` entries that name nothing (R-CFG-20), each as
  // "file:line:column: what". They fail every run, but not the list of tasks
  //
  std::vector<std::string> dependency_errors;

  // The innermost package that contains absolute `directory`; index.
  int PackageOf(absl::string_view directory) const;
  // "pkg#task", or the bare name for a package without name.
  std::string Label(int package, absl::string_view task) const;
};

// Scan and Assemble (sources.h), for a workspace whose configuration needs no
// evaluation; FAILED_PRECONDITION for any other. Errors as these. Blocking.
absl::StatusOr<std::shared_ptr<const Workspace>> Load(absl::string_view cwd);

}  // namespace vt::workspace
