// SPDX-License-Identifier: Apache-2.0

#include "tests/integration/track/run_traced.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <cerrno>
#include <cstring>
#include <functional>
#include <utility>

#include "daemon/base/file.h"
#include "daemon/base/status.h"
#include "daemon/exec/spawn.h"
#include "daemon/track/preload_env.h"

namespace vt::test {

base::Digest TestDigestOf(const std::string& bytes) {
  base::Digest digest;
  uint64_t hash = 14695981039346656037ULL;  // FNV-1a
  for (const char c : bytes) {
    hash = (hash ^ static_cast<unsigned char>(c)) * 1099511628211ULL;
  }
  const uint64_t words[2] = {hash, bytes.size() + 1};
  std::memcpy(digest.bytes.data(), words, sizeof words);
  return digest;
}

std::optional<base::Digest> TestDigest(const std::string& path) {
  absl::StatusOr<std::string> content = base::ReadFile(path);
  if (!content.ok() || content->size() > (16U << 20)) {
    return std::nullopt;
  }
  return TestDigestOf(*content);
}

absl::StatusOr<TracedResult> RunTraced(const TracedRun& run) {
  static const track::Tier best = track::SelfTest(0);
  track::TrackerOptions options;
  options.tier = best;
  if (run.tier > options.tier.level) {
    options.tier.level = run.tier;
  }
  options.digest = &TestDigest;
  options.workspace_root = run.root;
  options.own_directories = run.own_directories;
  options.allowed_services = run.allowed_services;
  options.preload = run.preload;
  options.strict = run.strict;
  options.arena_chunks = run.arena_chunks;
  VT_ASSIGN_OR_RETURN(std::unique_ptr<track::Tracker> tracker,
                      track::Tracker::Start(std::move(options)));
  exec::SpawnOptions spawn;
  spawn.program = run.argv[0];
  spawn.argv = run.argv;
  spawn.env = run.env;
  track::AddPreload(run.preload, &spawn.env);
  spawn.cwd = run.cwd;
  spawn.stdout_fd = run.stdout_fd;
  spawn.stderr_fd = run.stderr_fd;
  tracker->Prepare(&spawn);
  absl::StatusOr<exec::Child> child = exec::Spawn(spawn);
  tracker->SpawnReturned(child.ok());
  VT_RETURN_IF_ERROR(child.status());
  siginfo_t info = {};
  while (::waitid(P_PID, static_cast<id_t>(child->pid), &info, WEXITED) != 0) {
    if (errno != EINTR) {
      return base::ErrnoToStatus(errno, "waitid");
    }
  }
  TracedResult result;
  result.pid = child->pid;
  result.status =
      info.si_code == CLD_EXITED ? info.si_status : 128 + info.si_status;
  result.set = tracker->Drain(run.idle, absl::Seconds(2));
  return result;
}

}  // namespace vt::test
