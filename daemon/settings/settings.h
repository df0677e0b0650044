// SPDX-License-Identifier: Apache-2.0
//
// Settings: what the user has set for all workspaces of a machine, in
// $XDG_CONFIG_HOME/vtask/config.json (docs/CONFIGURATION.md, decisions H11).

#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace vt::settings {

// `cacheMaxSize: "unlimited"`.
constexpr uint64_t kUnlimited = UINT64_MAX;

// A value, with the defaults of what is not set.
struct Settings {
  std::string cache_dir;                                // absolute; "": not set
  uint64_t cache_max_size = uint64_t{10} << 30U;        // bytes, or kUnlimited
  absl::Duration cache_max_age = absl::Hours(30 * 24);  // infinite: for ever
  // How long a daemon without work and clients stays; infinite: for ever.
  absl::Duration idle_exit = absl::Hours(3);
  // How long a daemon that was asked to leave lets its runs go on before it
  // cancels them; infinite: until they end.
  absl::Duration drain_timeout = absl::InfiniteDuration();
  // How long an action whose main process has ended waits for tools that are
  // still connected to its endpoint.
  absl::Duration tool_drain_timeout = absl::Seconds(2);
  std::string concurrency = "4";  // ParseConcurrency takes it
  // Cached actions of all runs at once, for ParseConcurrency. "": one run alone
  // has its own limit only, several share twice the processors.
  std::string machine_concurrency;
  // Offer tools in tasks a GNU jobserver (run/jobserver.h).
  bool jobserver = false;
  bool strict_tracking = false;
  bool toolchain_executed = true;  // decisions H6

  // Who set a value, by key: `<file>:<line>`, or the name of a variable. What
  // is not in it has its default.
  std::map<std::string, std::string> origins;
};

// The settings that `text`, the content of `file`, makes: JSON with comments
// and trailing commas; empty text is an empty object. INVALID_ARGUMENT:
// "<file>:<line>:<column>: <key>: what was found, what is allowed".
absl::StatusOr<Settings> ReadSettings(absl::string_view text,
                                      const std::string& file);

// How many tasks `text` allows at once: a number, or a percentage of the
// processors ("50%"); at least 1. nullopt: it is neither.
std::optional<int> ParseConcurrency(absl::string_view text);

// One setting, for people.
struct Line {
  std::string key;
  std::string value;   // as the file would have it
  std::string origin;  // "default", or as Settings::origins
};
std::vector<Line> Describe(const Settings& settings);

}  // namespace vt::settings
