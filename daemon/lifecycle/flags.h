// SPDX-License-Identifier: Apache-2.0
//
// The command line of vtaskd, and what it means where it is silent.

#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"

#include "daemon/base/env_query.h"

namespace vt::lifecycle {

// A value.
struct Flags {
  std::string cache_dir;
  std::string runtime_dir;
  std::string state_dir;
  std::string socket;
  int ready_fd = -1;   // gets "ok\n" or "error: …\n"; -1: nobody waits
  int keeper_fd = -1;  // see keeper::KeeperClient; -1: no keeper
  bool foreground = false;
  // Infinite: never; nullopt: the user's settings say it.
  std::optional<absl::Duration> idle_exit;
  std::string idle_exit_origin;  // the flag or variable that says it
  // Leave when the last client has gone (VT_DAEMON=off).
  bool one_shot = false;
  uint64_t test_build = 0;  // 0: our own
  bool show_version = false;
  bool show_help = false;
};

// Reads `args` (without argv[0]). Directories that no flag names follow the
// same rules as the shim's (shim/directories.h), so that a daemon started by
// hand or by systemd is the one that shims look for. `configured_cache_dir`
// says what the user's settings name, or ""; asked only if no flag or variable
// does.
//
// INVALID_ARGUMENT: an unknown flag, a bad value, no HOME to go by; or neither
// --foreground nor a complete set of directories. Errors of
// `configured_cache_dir`.
absl::StatusOr<Flags> ParseFlags(
    const std::vector<std::string>& args, const base::EnvMap& env, uid_t uid,
    absl::FunctionRef<absl::StatusOr<std::string>()> configured_cache_dir);

// The text of --help.
const char* HelpText();

}  // namespace vt::lifecycle
