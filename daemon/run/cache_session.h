// SPDX-License-Identifier: Apache-2.0
//
// CacheSession: one `vt cache`: work on the cache as a whole, with a line that
// says how far it is.

#pragma once

#include <memory>

#include "daemon/plan/cache_command.h"
#include "daemon/run/engine.h"
#include "daemon/run/session.h"
#include "vtask/v1/daemon.pb.h"

namespace vt::run {

std::unique_ptr<Session> MakeCacheSession(RunId id, Engine* engine,
                                          vtask::v1::RunStart start,
                                          plan::CacheFlags flags, RunSink* sink,
                                          Session::Hooks hooks);

}  // namespace vt::run
