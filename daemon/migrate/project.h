// SPDX-License-Identifier: Apache-2.0
//
// Project: the workspace that is being migrated, as its manifests say; its
// configurations are not read. And what the converters have in common.

#pragma once

#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

#include "daemon/base/json.h"
#include "daemon/migrate/new_config.h"
#include "daemon/workspace/sources.h"

namespace vt::migrate {

// Immutable.
class Project {
 public:
  explicit Project(workspace::Sources sources);

  const std::string& root() const { return sources_.root; }
  int size() const { return static_cast<int>(sources_.packages.size()); }
  const workspace::Package& package(int index) const {
    return Source(index).package;
  }
  const workspace::Sources::Source& Source(int index) const {
    return sources_.packages[static_cast<size_t>(index)];
  }

  // -1: there is none.
  int PackageNamed(absl::string_view name) const;
  int PackageAt(absl::string_view path) const;

  // The text of a script, null if there is none.
  const std::string* Script(int package, const std::string& name) const;

  // Files of a package or the root, relative to the root; as messages name
  // them.
  std::string FileOf(int package, absl::string_view name) const;
  // The JSON (with comments) of such a file; nullopt: there is none.
  absl::StatusOr<std::optional<base::Json>> Read(const std::string& file) const;

  // How a task of `package` is named from a task of `from`.
  std::string Reference(int package, absl::string_view task, int from) const;

  // A task in the place of a script, with what runs before and after it: hooks
  // are for scripts alone.
  NewTask TaskOfScript(int package, const std::string& name) const;

 private:
  const workspace::Sources sources_;
  std::map<std::string, int> by_name_;
};

// `command` with variables set for all of it.
std::string WithEnv(
    const std::string& command,
    const std::vector<std::pair<std::string, std::string>>& env);

// The strings of an array, or one string; others are passed over. Null: none.
std::vector<std::string> Strings(const base::Json* value);

}  // namespace vt::migrate
