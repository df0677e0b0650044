// SPDX-License-Identifier: Apache-2.0

#include "daemon/terminal/progress.h"

#include <algorithm>
#include <set>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"

#include "daemon/terminal/cell_width.h"

namespace vt::terminal {
namespace {

using vtask::v1::ActionFinished;
using vtask::v1::RunEvent;

// "42s", "3m 05s", "1h 02m".
std::string Elapsed(int64_t seconds) {
  if (seconds < 60) {
    return absl::StrCat(seconds, "s");
  }
  if (seconds < 3600) {
    return absl::StrFormat("%dm %02ds", seconds / 60, seconds % 60);
  }
  return absl::StrFormat("%dh %02dm", seconds / 3600, seconds / 60 % 60);
}

}  // namespace

Progress::Progress(int total, absl::Time started)
    : total_(total),
      started_(started) {}

bool Progress::Add(const RunEvent& event) {
  if (event.has_action_started()) {
    running_[event.action_started().action().index()] =
        event.action_started().action().label();
    hits_ += event.action_started().cache() == vtask::v1::HIT ? 1 : 0;
    return true;
  }
  if (event.has_action_finished()) {
    const ActionFinished& finished = event.action_finished();
    running_.erase(finished.action_index());
    ++done_;
    failed_ += finished.outcome() == ActionFinished::FAILED ||
                       finished.outcome() == ActionFinished::SPAWN_FAILED
                   ? 1
                   : 0;
    return true;
  }
  return false;
}

std::string Progress::Line(absl::Time now, int columns, bool colour) const {
  const int64_t seconds =
      std::max<int64_t>(0, absl::ToInt64Seconds(now - started_));
  std::string line = absl::StrCat("▸ ", running_.size(), " running · ", done_,
                                  "/", std::max(total_, done_), " done");
  if (hits_ > 0) {
    absl::StrAppend(&line, " · ", hits_, hits_ == 1 ? " hit" : " hits");
  }
  if (failed_ > 0) {
    absl::StrAppend(&line, " · ", failed_, " failed");
  }
  absl::StrAppend(&line, " · ", Elapsed(seconds));
  std::set<std::string> labels;
  for (const auto& [index, label] : running_) {
    labels.insert(label);
  }
  if (!labels.empty()) {
    absl::StrAppend(&line, " · ", absl::StrJoin(labels, ", "));
  }
  line = Clip(line, std::max(1, (columns > 0 ? columns : 80) - 1));
  return colour ? absl::StrCat("\x1b[90m", line, "\x1b[0m") : line;
}

}  // namespace vt::terminal
