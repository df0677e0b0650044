// SPDX-License-Identifier: Apache-2.0
//
// Signals as a descriptor: both lives of this program are one poll(2) loop.

#pragma once

#include <signal.h>
#include <sys/types.h>

#include "daemon/base/unique_fd.h"

namespace vt::keeper {

// Blocks every signal and returns a non-blocking signalfd for them all; the
// mask before goes to `old_mask`. Invalid on failure.
base::UniqueFd BlockSignals(sigset_t* old_mask);

// One waiting signal's number, or 0.
int NextSignal(int signal_fd);

// Waits until one of two descriptors (negative: none) has something to say, or
// `timeout_ms` (-1: for ever) is over.
struct Readiness {
  bool first = false;
  bool second = false;
};
Readiness WaitForEither(int first, int second, int timeout_ms);

}  // namespace vt::keeper
