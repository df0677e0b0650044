// SPDX-License-Identifier: Apache-2.0
//
// Which lane a thread records in.

#pragma once

#include "daemon/track/preload/attach.h"
#include "daemon/track/preload/process.h"

// Of glibc 2.32: 1 says that there is one thread.
extern "C" const char __libc_single_threaded [[gnu::weak]];

namespace vt::preload {

inline bool IsOnlyThread() {
  return &__libc_single_threaded != nullptr && __libc_single_threaded != 0;
}

// The lane of the calling thread. Threads are told apart by their stacks, for
// nothing else of a thread is certain to be there: megabytes of them, and those
// of 8 MiB each, which lie side by side, have lanes in turn. If a thread uses
// two lanes, or two threads one, it costs time only.
[[gnu::always_inline]] inline Lane* LaneOf(Attached* attached) {
  if (IsOnlyThread()) {
    return &attached->first;
  }
  const auto megabyte =
      reinterpret_cast<uintptr_t>(__builtin_frame_address(0)) >> 20;
  const auto number =
      static_cast<uint32_t>((megabyte ^ megabyte >> 3) % kLanes);
  Lane* lane = LoadAcquire(&attached->lanes[number]);
  return lane != nullptr ? lane : AddLaneIfDue(attached, number);
}

}  // namespace vt::preload
