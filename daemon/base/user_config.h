// SPDX-License-Identifier: Apache-2.0
//
// Where the user's machine-wide settings stand, and the one of them that also
// the shim must know: the directory of the cache names the daemon. All others
// are the daemon's business (daemon/settings/).

#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

#include "daemon/base/json.h"

namespace vt::base {

// $XDG_CONFIG_HOME/vtask/config.json, else ~/.config/vtask/config.json; "" if
// neither is an absolute path. Null is unset.
std::string UserConfigPath(const char* xdg_config_home, const char* home);

// The content of `path`, "" if there is no such file. Blocking. Errors as
// ReadFile.
absl::StatusOr<std::string> ReadUserConfig(const std::string& path);

// The value of `cacheDir`, normalised. INVALID_ARGUMENT: not an absolute path.
absl::StatusOr<std::string> CacheDirOf(const Json& value,
                                       const std::string& file);

// `cacheDir` of the file `path`, and nothing else of it; "" if it is not set.
// Blocking. Errors as ReadUserConfig, ParseJson and CacheDirOf.
absl::StatusOr<std::string> ReadCacheDir(const std::string& path);

}  // namespace vt::base
