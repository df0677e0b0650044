// SPDX-License-Identifier: Apache-2.0
//
// The way to a tool endpoint for processes that may not have a Unix socket: two
// named pipes (docs/TOOL_IPC.md).

#pragma once

#include <stdint.h>
#include <sys/types.h>

#include "bytes.h"

namespace vt_client {

// Connects to the endpoint `name` until `deadline_ms` (CLOCK_MONOTONIC): frames
// are written to *requests and read from *replies. False: there is no such way.
bool ConnectPipes(const char* name, uint64_t deadline_ms, int* requests,
                  int* replies);

// write(2), without the signal of a pipe that nobody reads.
ssize_t WritePipe(int fd, Slice bytes);

}  // namespace vt_client
