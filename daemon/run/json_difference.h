// SPDX-License-Identifier: Apache-2.0
//
// One difference as JSON: in the run plan and in what `vt explain` says. Pure.

#pragma once

#include <string>
#include <vector>

#include "vtask/v1/run_event.pb.h"

namespace vt::run {

// `with_digests`: also the contents before and after, and how it was seen.
std::string DifferenceJson(const vtask::v1::Difference& difference,
                           bool with_digests);

// A list of them, with their digests.
std::string DifferencesJson(
    const std::vector<vtask::v1::Difference>& differences);

}  // namespace vt::run
