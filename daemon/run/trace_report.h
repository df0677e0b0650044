// SPDX-License-Identifier: Apache-2.0
//
// What `vt trace` says of a command that has ended, as text and as JSON. Pure
// functions.

#pragma once

#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"

#include "daemon/track/access_set.h"
#include "daemon/track/tracker.h"

namespace vt::run {

struct TraceReport {
  std::vector<std::string> command;  // as typed
  std::string cwd;                   // absolute
  // Of the workspace, or `cwd` if there is none: below it changes are outputs.
  std::string root;
  bool is_workspace = false;
  int exit_code = 0;  // 128+signal for a signal
  bool interrupted = false;
  absl::Duration duration;
  track::Tier tier;
  // Somebody started `vt run` inside of it; what that did is not in `accesses`.
  bool had_nested_run = false;
  track::AccessSet accesses;
};

// For people: groups of paths, then a summary.
std::string TraceText(const TraceReport& report, bool colour);

// docs/schema/trace.schema.json; ends with a newline.
std::string TraceJson(const TraceReport& report);

// `bytes` as a JSON string, quotes included, that loses nothing: bytes that are
// no valid UTF-8 become \xNN, and a backslash becomes two (each of these
// backslashes is escaped once more by JSON).
std::string JsonBytes(absl::string_view bytes);

}  // namespace vt::run
