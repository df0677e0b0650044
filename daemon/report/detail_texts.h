// SPDX-License-Identifier: Apache-2.0
//
// What -vv says of one input, output or report of a tool, for people. Pure.

#pragma once

#include <string>

#include "vtask/v1/run_event.pb.h"

namespace vt::report {

// An input that is as it was, and who told us of it.
std::string UnchangedText(const vtask::v1::Unchanged& unchanged);

// Who told us, behind what they told; empty for what was just seen.
std::string ReporterText(const vtask::v1::Reporter& reporter);

std::string ReportText(const vtask::v1::ToolReport& report);

}  // namespace vt::report
