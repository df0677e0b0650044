// SPDX-License-Identifier: Apache-2.0
//
// The evaluation of a workspace's vite.config files, as values: the step that
// does it (one Node process for all of them, a cached action like any other)
// and the answer of the loader that it runs. No loop, starts nothing.

#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"

#include "daemon/base/env_query.h"
#include "daemon/plan/plan.h"
#include "daemon/workspace/sources.h"

namespace vt::run {

struct ConfigStepInput {
  std::string root;                  // of the workspace
  std::vector<std::string> scripts;  // absolute
  base::EnvMap env;                  // of the caller
  std::string loader;                // absolute path of config_loader.mjs
  settings::Settings settings;
};

// Its result comes as the stream "stdout", in the loader's lines; what the
// configurations print as "stderr".
//
// INVALID_ARGUMENT: no `node` on the caller's PATH. Blocking.
absl::StatusOr<plan::Step> MakeConfigStep(const ConfigStepInput& input);

// How the process ended, beside what it said.
struct ConfigProcessEnd {
  absl::Duration deadline;
  bool timed_out = false;
  bool failed = false;
  int exit_code = 0;
  std::string error;  // it could not even be started
};

// Exit code of a loader that has evaluated everything, but did not see which
// variables were read: its result must not be kept.
constexpr int kConfigNotReusable = 3;

// INVALID_ARGUMENT: a file could not be evaluated, by name; why.
absl::StatusOr<workspace::EvaluatedConfigs> ReadLoaderAnswer(
    const ConfigStepInput& input, absl::string_view answer,
    const ConfigProcessEnd& end);

}  // namespace vt::run
