// SPDX-License-Identifier: Apache-2.0
//
// What has changed in the working tree since a commit, asked of git.

#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"

#include "daemon/base/env_query.h"

namespace vt::plan {

// Files below absolute `directory` that differ from what they are in `ref`
// (uncommitted changes count), are gone, or are new and not ignored; relative
// to `directory`, sorted. `env` is the environment of git.
//
// FAILED_PRECONDITION: no git in PATH, no repository, an unknown `ref`: what
// git says of it. Blocking: a few ms, as long as git takes.
absl::StatusOr<std::vector<std::string>> ChangedSince(
    const std::string& ref, const std::string& directory,
    const base::EnvMap& env);

}  // namespace vt::plan
