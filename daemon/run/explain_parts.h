// SPDX-License-Identifier: Apache-2.0
//
// What both answers of `vt explain`, of the present and of the past, are made
// of. No state.

#pragma once

#include <string>
#include <vector>

#include "daemon/base/json_text.h"
#include "daemon/report/renderer.h"
#include "vtask/v1/run_event.pb.h"

namespace vt::run {

// A line for each, indented below its action.
std::string DifferenceLines(
    const std::vector<vtask::v1::Difference>& differences, int verbose);

// The head of docs/explain.schema.json. `question`: "plan", "list" or "diff".
base::JsonObject ExplainDocument(const char* question, const std::string& root,
                                 const report::RenderOptions& options);

}  // namespace vt::run
