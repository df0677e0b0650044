// SPDX-License-Identifier: Apache-2.0
//
// Which build this is. Compared between shim and daemon (decisions H20).

#pragma once

#include <cstdint>

namespace vt::base {

// "0.1.0"
const char* Version();
// Seconds since the epoch of the newest source; larger is newer.
uint64_t BuildStamp();

}  // namespace vt::base
