// SPDX-License-Identifier: Apache-2.0
//
// Summary: what stands below a run (spec/runner.md R-SUM): short, or with -v
// one entry an action.

#pragma once

#include <map>
#include <string>
#include <vector>

#include "vtask/v1/run_event.pb.h"

namespace vt::report {

// Thread-compatible.
class Summary {
 public:
  // Takes note of an event; others than starts and ends are ignored.
  void Add(const vtask::v1::RunEvent& event);

  // After RunFinished. `verbose` > 0: the detailed form. Empty: nothing to say.
  std::string Render(const std::string& program, int verbose,
                     bool colour) const;

  // Of the run, where it is kept (history/runs.h).
  void SetRunNumber(uint64_t number) { number_ = number; }

  // A dry run: an action that would start, instead of events.
  void AddPlanned(const vtask::v1::ActionStarted& planned);
  // As Render, of what was planned (R-DRY-2).
  std::string RenderPlanned(const std::string& program, int verbose,
                            bool colour) const;

 private:
  struct Entry {
    vtask::v1::ActionStarted started;
    // OUTCOME_UNSPECIFIED: it was only planned.
    vtask::v1::ActionFinished finished;
  };
  std::string Short(const std::string& program, bool colour) const;
  std::string Detailed(int verbose, bool colour) const;

  std::map<uint32_t, vtask::v1::ActionStarted> running_;
  std::vector<Entry> entries_;  // in order of completion
  vtask::v1::RunFinished finished_;
  uint64_t number_ = 0;  // 0: none
};

}  // namespace vt::report
