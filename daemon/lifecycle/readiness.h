// SPDX-License-Identifier: Apache-2.0
//
// Telling whoever started the daemon that it serves, or why it does not.

#pragma once

#include "absl/status/status.h"

namespace vt::lifecycle {

// Writes "ok\n" or "error: <message>\n" (one line) to `ready_fd` and closes it;
// -1: nobody waits. The other side may be gone.
void ReportReady(int ready_fd, const absl::Status& status);

// sd_notify(3): sends `text` ("READY=1") to $NOTIFY_SOCKET, if there is one.
void NotifySystemd(const char* text);

}  // namespace vt::lifecycle
