// SPDX-License-Identifier: Apache-2.0

#include "daemon/run/engine.h"

#include <unistd.h>

#include "absl/strings/str_cat.h"

#include "daemon/base/path.h"
#include "daemon/base/process_stat.h"

namespace vt::run {
namespace {

// Parent of `pid`, 0 if it is gone.
pid_t ParentOf(pid_t pid) {
  const auto stat = base::ReadProcessStat(pid);
  return stat.has_value() ? stat->parent : 0;
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
