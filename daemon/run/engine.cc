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

void ShareMachine(Engine* engine, const settings::Settings& settings) {
  const bool is_given = !settings.machine_concurrency.empty();
  const int limit = settings::ParseConcurrency(
                        is_given ? settings.machine_concurrency : "200%")
                        .value_or(0);
  engine->slots.SetLimit(limit, /*soft=*/!is_given && !settings.jobserver);
  if (engine->slots.held() > 0) {
    return;  // whoever has tokens gives them back to where they are from
  }
  const int tokens = settings.jobserver ? limit : 0;
  const int before =
      engine->jobserver == nullptr ? 0 : engine->jobserver->tokens();
  if (tokens == before) {
    return;
  }
  engine->slots.SetTokens(nullptr);
  engine->jobserver = nullptr;
  if (tokens > 0) {
    auto opened = Jobserver::Open(
        engine->loop, absl::StrCat(engine->options.socket_path, ".jobs"),
        tokens);
    // Without it tasks do what they do anyhow.
    engine->jobserver = opened.ok() ? *std::move(opened) : nullptr;
  }
  engine->slots.SetTokens(engine->jobserver.get());
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
