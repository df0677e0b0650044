// SPDX-License-Identifier: Apache-2.0
//
// Progress: the line below a long run in a terminal: what runs, how much is
// done, how long it has taken.

#pragma once

#include <cstdint>
#include <map>
#include <string>

#include "absl/time/time.h"

#include "vtask/v1/run_event.pb.h"

namespace vt::terminal {

// Thread-compatible.
class Progress {
 public:
  // `total`: actions of the plan.
  Progress(int total, absl::Time started);

  // Takes note of an event of the run. True if the line may look different now.
  bool Add(const vtask::v1::RunEvent& event);

  // In at most `columns` - 1 cells, with whole seconds.
  std::string Line(absl::Time now, int columns, bool colour) const;

 private:
  const int total_;
  const absl::Time started_;
  std::map<uint32_t, std::string> running_;  // labels by action index
  int done_ = 0;
  int hits_ = 0;
  int failed_ = 0;
};

}  // namespace vt::terminal
