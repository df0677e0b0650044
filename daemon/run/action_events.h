// SPDX-License-Identifier: Apache-2.0
//
// What an action says: to those who hear of the run, and to the shim that is to
// run it. Pure.

#pragma once

#include <string>

#include "daemon/plan/plan.h"
#include "daemon/run/find_result.h"
#include "vtask/v1/daemon.pb.h"
#include "vtask/v1/run_event.pb.h"

namespace vt::run {

// `found` is what the lookup has told; null if there was none.
vtask::v1::RunEvent StartedEvent(const vtask::v1::ActionRef& ref,
                                 vtask::v1::CacheStatus cache, bool waited,
                                 const Found* found);

vtask::v1::RunEvent OutputEvent(uint32_t index, bool is_stderr,
                                std::string data, bool replayed);

// That the shim is to run `step` as number `index`.
vtask::v1::RunResponse::Execute ExecuteMessage(uint32_t index,
                                               const plan::Step& step);

}  // namespace vt::run
