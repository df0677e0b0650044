// SPDX-License-Identifier: Apache-2.0
//
// Sighting: what a file was when somebody looked, and whether a later look can
// tell that it is still the same.

#pragma once

#include <sys/stat.h>

#include <cstdint>

#include "daemon/base/near_files.h"
#include "daemon/fingerprint/digest_table.h"

namespace vt::fingerprint {

Identity IdentityOf(const struct stat& status);

struct Sighting {
  struct stat status = {};
  // Whoever changes the file after this look changes its identity: what is read
  // of it from now on, and found to have the same identity then, is its content
  // as long as it has.
  bool is_final = false;
};

// Looks at the file behind `fd`, which is open for reading only. False: fstat
// failed (errno).
//
// Final is what is older than the granularity of the clock. On file systems
// with multigrain stamps also what is younger: there a change has a time of its
// own after somebody has looked at the one before. But it has it before the
// bytes are written: so nobody may be able to write just now.
bool See(int fd, Sighting* sighting);

// Whether the file behind `fd` still has the identity that was `seen`: what was
// read of it in between is what it had then. Waits for who is about to truncate
// it, on ext4 as long as it takes to free its blocks; else 0.3 us.
bool IsAsSeen(int fd, const Sighting& seen);

// Whether the regular file at `place` has this size and ctime also when nobody
// is about to truncate it. True where it cannot be opened for reading. 2 us.
bool IsAtRest(const base::NearFiles::Place& place, uint64_t size,
              int64_t ctime_ns);

// Whether the kernel gives each change of the file behind `fd`, whose status
// was just looked at, a time of its own (Linux 6.13,
// Documentation/filesystems/multigrain-ts.rst). False where that is not known.
// One system call, and once a trial of the kernel.
bool HasStampForEachChange(int fd, const struct stat& status);

}  // namespace vt::fingerprint
