// SPDX-License-Identifier: Apache-2.0
//
// SettingsFile: the settings as they are now. Each run reads the file anew (it
// is small, and mostly not there), so a change counts from the next run on.
// Owned by the composition root, shared by all.

#pragma once

#include <functional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

#include "daemon/base/mutex.h"
#include "daemon/settings/settings.h"

namespace vt::settings {

// Thread-safe.
class SettingsFile {
 public:
  // `path` may be "": there is none. `overrule` changes what the file says: the
  // daemon's flags and variables win. It may be null, and is called under a
  // lock.
  explicit SettingsFile(std::string path,
                        std::function<void(Settings*)> overrule = nullptr);

  // Reads the file. Blocking. Errors as ReadSettings, base::ReadFile; what
  // counted before goes on to count for those who ask by Last.
  absl::StatusOr<Settings> Refresh();

  // What counts: the settings of the last Refresh that went well, else the
  // defaults; no I/O.
  Settings Last() const;
  // What the last Refresh said.
  absl::Status problem() const;

  const std::string& path() const { return path_; }

 private:
  const std::string path_;
  const std::function<void(Settings*)> overrule_;

  mutable base::Mutex mutex_;
  std::string text_ ABSL_GUARDED_BY(mutex_);  // what last_ was made from
  Settings last_ ABSL_GUARDED_BY(mutex_);
  absl::Status problem_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace vt::settings
