// SPDX-License-Identifier: Apache-2.0
//
// TraceSession: one `vt trace`: a command that is no task, tracked as one, and
// a report of what it did.

#pragma once

#include <memory>

#include "daemon/plan/trace_command.h"
#include "daemon/run/engine.h"
#include "daemon/run/session.h"
#include "vtask/v1/daemon.pb.h"

namespace vt::run {

std::unique_ptr<Session> MakeTraceSession(RunId id, Engine* engine,
                                          vtask::v1::RunStart start,
                                          plan::TraceFlags flags, RunSink* sink,
                                          Session::Hooks hooks);

}  // namespace vt::run
