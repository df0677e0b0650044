// SPDX-License-Identifier: Apache-2.0
//
// The command line of vtaskd, and what it means where it is silent.

#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <vector>

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
  absl::Duration idle_exit;  // infinite: never
  uint64_t test_build = 0;   // 0: our own
  bool show_version = false;
  bool show_help = false;
};

// Reads `args` (without argv[0]). Directories that no flag names follow the
// same rules as the shim's (shim/directories.h), so that a daemon started by
// hand or by systemd is the one that shims look for.
//
// INVALID_ARGUMENT: an unknown flag, a bad value, no HOME to go by; or neither
// --foreground nor a complete set of directories.
absl::StatusOr<Flags> ParseFlags(const std::vector<std::string>& args,
                                 const base::EnvMap& env, uid_t uid);

// The text of --help.
const char* HelpText();

}  // namespace vt::lifecycle
