// SPDX-License-Identifier: Apache-2.0
//
// Translates what a request says of its caller.

#pragma once

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "google/protobuf/repeated_field.h"

#include "daemon/plan/plan.h"
#include "daemon/report/renderer.h"
#include "daemon/run/action.h"
#include "vtask/v1/daemon.pb.h"

namespace vt::run {

std::vector<std::string> Strings(
    const google::protobuf::RepeatedPtrField<std::string>& bytes);

plan::CallerFacts FactsOf(const vtask::v1::Caller& caller);
CallerContext ContextOf(const vtask::v1::Caller& caller);
report::RenderOptions RenderOptionsOf(const vtask::v1::RunStart& start,
                                      const base::EnvMap& env);

// Exit code for a status of planning (decisions H21): 2 for configuration and
// flags, 1 for the rest.
int ExitCodeOf(const absl::Status& status);

}  // namespace vt::run
