// SPDX-License-Identifier: Apache-2.0
//
// What `-vv` tells of a result: the inputs that are as they were when it was
// made, and what it holds (spec/runner.md R-SUM-6). Pure.

#pragma once

#include <optional>
#include <string>
#include <vector>

#include "vtask/storage/v1/storage.pb.h"
#include "vtask/v1/run_event.pb.h"

namespace vt::cache {

struct Details {
  // Files by path, then programs, then variables.
  std::vector<vtask::v1::Unchanged> unchanged;
  std::vector<std::string> outputs;  // files and links, by path
  std::vector<vtask::v1::Reporter> output_reporters;  // of these
  std::vector<vtask::v1::ToolReport> reports;
  // The whole of it; `result.values` are aligned with `path_set`. Unset if
  // there is none.
  std::optional<vtask::storage::v1::Result> result;
  vtask::storage::v1::PathSet path_set;
};

vtask::v1::ToolReport ForEvent(const vtask::storage::v1::ToolReport& report);

// Of the event, what `-vv` adds.
void AddDetails(const Details& details, vtask::v1::ActionStarted* started);

// `description` is the same now as then. `now`: values aligned with `path_set`,
// as evaluated in the present.
Details DescribeResult(const vtask::storage::v1::WeakDescription& description,
                       const vtask::storage::v1::Result& result,
                       const vtask::storage::v1::PathSet& path_set,
                       const std::vector<vtask::storage::v1::Value>& now);

}  // namespace vt::cache
