// SPDX-License-Identifier: Apache-2.0
//
// Runs a program under the Tracker, as run/ does, without a loop.

#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"

#include "daemon/track/access_set.h"
#include "daemon/track/tracker.h"

namespace vt::test {

struct TracedRun {
  std::vector<std::string> argv;  // argv[0] absolute
  std::vector<std::string> env;
  std::string cwd;
  std::string root;  // workspace_root
  std::vector<std::string> own_directories;
  std::vector<std::string> allowed_services;
  int tier = 0;         // forced
  bool strict = false;  // TrackerOptions
  // The preload library; empty: every call is notified.
  std::string preload;
  uint32_t arena_chunks = 0;  // TrackerOptions
  int stdout_fd = -1;
  int stderr_fd = -1;
  absl::Duration idle = absl::Milliseconds(100);
};

struct TracedResult {
  int status = 0;  // exit code, or 128 + signal
  track::AccessSet set;
  pid_t pid = 0;
};

absl::StatusOr<TracedResult> RunTraced(const TracedRun& run);

// A digest for tests: of the size and the bytes, not cryptographic.
std::optional<base::Digest> TestDigest(const std::string& path);
base::Digest TestDigestOf(const std::string& bytes);

}  // namespace vt::test
