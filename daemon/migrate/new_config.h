// SPDX-License-Identifier: Apache-2.0
//
// What a migration writes: the tasks of one package, with comments on what has
// no equivalent. Values.

#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

namespace vt::migrate {

struct NewDependency {
  std::string task;  // "task" or "package#task"
  // The task of every package that this one depends on.
  bool of_dependencies = false;
};

// What does not count as input or output, beside what tracking finds.
struct Exclusion {
  std::string pattern;  // without "!"
  bool from_root = false;
};

struct NewTask {
  std::string name;
  std::vector<std::string> notes;  // comments above it, one line each
  std::vector<std::string> commands;
  std::string cwd;  // relative to the package; "": the package
  std::vector<NewDependency> depends_on;
  bool cached = true;
  std::vector<std::string> env;
  std::vector<std::string> untracked_env;
  std::vector<Exclusion> not_input;
  std::vector<Exclusion> not_output;
  // Scripts of package.json that this task replaces: both under one name are
  // an error.
  std::string replaces;
};

struct NewConfig {
  std::vector<std::string> notes;  // comments on top
  std::vector<NewTask> tasks;
};

// What one tool's files have become.
struct Converted {
  std::vector<std::string> read;     // files, relative to the root
  std::map<int, NewConfig> configs;  // by index of the package
  std::vector<std::string> notes;    // for people, one line each
};

}  // namespace vt::migrate
