// SPDX-License-Identifier: Apache-2.0

#include "daemon/run/keep_result.h"

#include <utility>

#include "absl/algorithm/container.h"

#include "daemon/fingerprint/sink.h"
#include "daemon/run/collect.h"

namespace vt::run {

namespace {

Collected CollectOf(cache::ActionCache* cache, const FinishedRun& run) {
  const base::Digest weak = fingerprint::WeakFingerprint(run.key.description);
  CollectInput input;
  input.root = run.key.root;
  input.description = &run.key.description;
  input.accesses = run.end.accesses.has_value() ? &*run.end.accesses : nullptr;
  input.reports = &run.end.reports;
  input.nest = &run.nest;
  input.watches_env = run.watches_env;
  input.user_untracked = run.user_untracked;
  input.globs_before = run.globs_before;
  input.files = &cache->files();
  input.env = run.key.env.get();
  input.is_own_output = [&](const std::string& path,
                            const base::Digest& digest) {
    return cache->IsOwnOutput(weak, path, digest) ||
           absl::c_any_of(run.nest.actions, [&](const InnerAction& inner) {
             return cache->IsOwnOutput(inner.weak, path, digest);
           });
  };
  input.is_own_mode = [&](const std::string& path, uint32_t mode) {
    return cache->IsOwnMode(weak, path, mode);
  };
  input.umask = run.key.umask;
  return Collect(input);
}

}  // namespace

Kept KeepResult(cache::ActionCache* cache, FinishedRun run) {
  Collected collected = CollectOf(cache, run);
  Kept kept{std::move(collected.not_stored),
            {},
            {},
            std::move(collected.notes),
            std::move(collected.tool_reports)};
  if (!kept.why_not.has_value()) {
    cache::FinishedAction& action = collected.action;
    action.tool_reports = kept.tool_reports;
    action.log = std::move(run.log);
    action.started = run.end.started;
    action.started_file_clock_ns = run.end.started_file_clock_ns;
    action.ended_file_clock_ns = run.end.ended_file_clock_ns;
    action.duration = run.end.duration;
    kept.why_not = cache->Store(run.key, action, &kept.stored);
    kept.log = std::move(action.log);
  }
  return kept;
}

void RememberFailed(cache::ActionCache* cache, FinishedRun run) {
  Collected collected = CollectOf(cache, run);
  if (!collected.not_stored.has_value()) {
    collected.action.ended_file_clock_ns = run.end.ended_file_clock_ns;
    cache->RememberOutputs(run.key, collected.action);
  }
}

}  // namespace vt::run
