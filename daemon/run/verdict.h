// SPDX-License-Identifier: Apache-2.0
//
// Reasons not to store a run that ended well, found before its inputs are
// looked at: tools that opted out, broken talk, no tracking.

#pragma once

#include <optional>
#include <string>
#include <vector>

#include "daemon/run/collect.h"
#include "vtask/v1/run_event.pb.h"

namespace vt::run {

vtask::v1::NotStored MakeNotStored(vtask::v1::NotStored::Reason reason,
                                   std::string text, std::string path = "",
                                   std::string origin = "");

// nullopt: nothing speaks against it. Appends lines for people to `notes`.
std::optional<vtask::v1::NotStored> ReasonNotToStore(
    const CollectInput& input, std::vector<std::string>* notes);

}  // namespace vt::run
