// SPDX-License-Identifier: Apache-2.0

#include "daemon/base/file_clock.h"

#include <sys/mman.h>
#include <sys/stat.h>

#include "daemon/base/unique_fd.h"

namespace vt::base {
// A file of no name, which no task can reach. Kernels with multigrain stamps
// (6.13, Documentation/filesystems/multigrain-ts.rst) give a change a stamp of
// its own if somebody looked at the one before and no later stamp is known yet:
// hence two changes, each after a look. The second stamp is then later than all
// that anything had before, and nothing gets an earlier one after it (20 000 of
// 20 000 each, ext4 and tmpfs).
FileClock ReadFileClock() {
  thread_local const UniqueFd cookie(
      ::memfd_create("vtask-clock", MFD_CLOEXEC));
  const struct timespec change[2] = {{0, UTIME_OMIT}, {0, UTIME_NOW}};
  struct stat first = {};
  struct stat second = {};
  if (::fstat(cookie.get(), &first) == 0 &&
      ::futimens(cookie.get(), change) == 0 &&
      ::fstat(cookie.get(), &first) == 0 &&
      ::futimens(cookie.get(), change) == 0 &&
      ::fstat(cookie.get(), &second) == 0) {
    const int64_t now = ToNs(second.st_ctim);
    return {now > ToNs(first.st_ctim) ? now - 1 : now, now};
  }
  const int64_t floor = FileClockFloor();
  return {floor, floor};
}

// The kernel's current_time() starts from this very clock and only ever goes up
// from it (fs/inode.c, since 6.13 with multigrain stamps).
int64_t FileClockFloor() {
  struct timespec now = {};
  ::clock_gettime(CLOCK_REALTIME_COARSE, &now);
  return ToNs(now);
}

}  // namespace vt::base
