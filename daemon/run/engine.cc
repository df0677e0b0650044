// SPDX-License-Identifier: Apache-2.0

#include "daemon/run/engine.h"

#include <unistd.h>

#include "absl/status/statusor.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

#include "daemon/base/file.h"
#include "daemon/base/path.h"

namespace vt::run {
namespace {

// Parent of `pid`, 0 if it is gone. The command in /proc/PID/stat is in
// parentheses and may hold anything: count from the last one (proc(5)).
pid_t ParentOf(pid_t pid) {
  const absl::StatusOr<std::string> stat =
      base::ReadFile(absl::StrCat("/proc/", pid, "/stat"));
  if (!stat.ok()) {
    return 0;
  }
  const size_t close = stat->rfind(')');
  if (close == std::string::npos) {
    return 0;
  }
  const std::vector<absl::string_view> fields = absl::StrSplit(
      absl::string_view(*stat).substr(close + 1), ' ', absl::SkipEmpty());
  int parent = 0;
  return fields.size() > 1 && absl::SimpleAtoi(fields[1], &parent) ? parent : 0;
}

}  // namespace

std::string RunsDirectory(const Engine& engine) {
  return base::JoinPath(engine.options.state_directory, "runs");
}

Nest* FindNest(Engine* engine, ActionId collector) {
  const auto found = engine->nests.find(collector);
  return found == engine->nests.end() ? nullptr : &found->second;
}

std::string ActionMarker(ActionId id) {
  return absl::StrCat("VT_ACTION=", ::getpid(), ".", id);
}

RunningAction* FindEnclosing(Engine* engine, pid_t pid,
                             const std::string& marker) {
  if (engine->running.empty()) {
    return nullptr;
  }
  // Bounded, should the tree change under the walk.
  for (int depth = 0; pid > 1 && depth < 256; ++depth) {
    for (auto& [id, running] : engine->running) {
      if (running.pid == pid) {
        return &running;
      }
    }
    pid = ParentOf(pid);
  }
  for (auto& [id, running] : engine->running) {
    if (ActionMarker(id) == absl::StrCat("VT_ACTION=", marker)) {
      return &running;
    }
  }
  return nullptr;
}

}  // namespace vt::run
