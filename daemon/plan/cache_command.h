// SPDX-License-Identifier: Apache-2.0
//
// The command line of `vt cache`.

#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace vt::plan {

// `vt cache status|clean|prune|verify|path [OPTIONS]`.
struct CacheFlags {
  enum class Verb { kStatus, kClean, kPrune, kVerify, kPath };
  Verb verb = Verb::kStatus;
  bool json = false;  // status, prune, verify
  // clean
  bool all = false;
  std::optional<std::string> task;     // "build" or "app#build"
  std::optional<std::string> package;  // a name, or a path below the root
  // prune; not set: as configured
  std::optional<uint64_t> max_bytes;
  std::optional<absl::Duration> max_age;
};

// Parses what stands behind `vt cache`. nullopt: help is wanted.
// INVALID_ARGUMENT: the usage error, without what is said about usage.
absl::StatusOr<std::optional<CacheFlags>> ParseCache(
    const std::vector<std::string>& args);

// "500M", "10GiB", "0": binary units; "unlimited".
std::optional<uint64_t> ParseSize(absl::string_view text);
// "12h", "30d", "90m", "45s"; "unlimited".
std::optional<absl::Duration> ParseAge(absl::string_view text);

std::string CacheHelp();

constexpr char kCacheUsage[] = "vt cache <COMMAND> [OPTIONS]";

struct CacheCommandInfo {
  std::string name;
  std::string help;
  std::vector<std::string> flags;
};
// For completion.
std::vector<CacheCommandInfo> CacheCommandInfos();

}  // namespace vt::plan
