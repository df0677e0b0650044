// SPDX-License-Identifier: Apache-2.0
//
// The wrapper algorithm: a call that looks at a name is signed, so that the
// daemon is not notified of it, and recorded after it; or it is made plain, and
// the daemon sees it.
//
// The record follows the call: the kernel has then read the name, so that a
// wild pointer is an EFAULT as ever and no crash, and the result is known.

#pragma once

#include "daemon/track/preload/arena_layout.h"
#include "daemon/track/preload/kernel.h"

namespace vt::preload {

// A system call of at most five arguments; the sixth carries the signature.
struct Call {
  long number;
  long args[5];
  // Where the kernel writes; a name that lies there is gone after the call.
  const void* output = nullptr;
  unsigned long output_size = 0;
};

// Makes `call`, which looks at `path` below `directory`. Returns what the
// kernel does. Never -EINTR, which the call cannot have natively: a signal that
// came while the daemon was to be heard.
long Observe(const Call& call, int directory, const char* path,
             track::RecordKind kind);

// As Observe, for open and openat with these flags. With `may_be_cancelled`,
// the call is a cancellation point, as libc's is.
long ObserveOpen(const Call& call, int directory, const char* path, int flags,
                 bool may_be_cancelled);

// Makes it plain.
long Plain(const Call& call);

// Sets errno.
long Return(long result);

}  // namespace vt::preload
