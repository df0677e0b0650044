// SPDX-License-Identifier: Apache-2.0
//
// The clock that the kernel stamps files with: what was changed before a
// moment, and what after it. In ns since 1970.

#pragma once

#include <time.h>

#include <cstdint>

namespace vt::base {

// Of a stamp, as in struct stat.
inline int64_t ToNs(const struct timespec& stamp) {
  return static_cast<int64_t>(stamp.tv_sec) * 1'000'000'000 + stamp.tv_nsec;
}

struct FileClock {
  // Nothing that was changed before the reading has a larger ctime.
  int64_t past_ns = 0;
  // Nothing that is changed after it has a smaller one. Larger than `past_ns`,
  // but on kernels older than 6.13, which stamp with the tick (1 to 10 ms):
  // what happened in that of the reading may have been before or after it.
  int64_t now_ns = 0;
};

// Five system calls, about 2 us.
FileClock ReadFileClock();

// A moment that is not after ReadFileClock().now_ns, nor more than a tick
// before it. No system call.
int64_t FileClockFloor();

}  // namespace vt::base
