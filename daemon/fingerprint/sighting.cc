// SPDX-License-Identifier: Apache-2.0

#include "daemon/fingerprint/sighting.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <sys/mman.h>
#include <sys/statfs.h>
#include <unistd.h>

#include "daemon/base/file_clock.h"
#include "daemon/base/open_writers.h"
#include "daemon/base/unique_fd.h"

namespace vt::fingerprint {
namespace {

// Writes to a file of no name, each write after a look at the one before. On a
// kernel that stamps with the tick (1 to 10 ms) two of them, 1 us apart, have
// one stamp.
bool TryKernel() {
  constexpr int kWrites = 16;
  const base::UniqueFd file(::memfd_create("vtask-stamps", MFD_CLOEXEC));
  struct stat status = {};
  if (!file.is_valid() || ::fstat(file.get(), &status) != 0) {
    return false;
  }
  for (int i = 0; i < kWrites; ++i) {
    const int64_t before = base::ToNs(status.st_ctim);
    if (::pwrite(file.get(), "x", 1, 0) != 1 ||
        ::fstat(file.get(), &status) != 0 ||
        base::ToNs(status.st_ctim) <= before) {
      return false;
    }
  }
  return true;
}

// Those with FS_MGTIME in Linux 6.13, by fs/*/super.c and mm/shmem.c. What lies
// above others (overlayfs, ecryptfs) is none of them.
bool IsMultigrain(int fd) {
  static const bool is_kernel = TryKernel();
  struct statfs system = {};
  if (!is_kernel || ::fstatfs(fd, &system) != 0) {
    return false;
  }
  return system.f_type == EXT4_SUPER_MAGIC ||
         system.f_type == BTRFS_SUPER_MAGIC ||
         system.f_type == XFS_SUPER_MAGIC || system.f_type == TMPFS_MAGIC;
}

// Who truncates a file shows its new size first and its new times last (ext4
// and tmpfs, measured on Linux 6.18), under the inode's lock. To look for a
// hole takes that lock (fs/ext4/file.c, mm/shmem.c, fs/btrfs/file.c), and
// beyond the end nothing is looked for. xfs takes it to read.
void WaitForTruncation(int fd, off_t size) { ::lseek(fd, size, SEEK_HOLE); }

}  // namespace

Identity IdentityOf(const struct stat& status) {
  return {status.st_dev, status.st_ino, static_cast<uint64_t>(status.st_size),
          base::ToNs(status.st_mtim), base::ToNs(status.st_ctim)};
}

bool HasStampForEachChange(int fd, const struct stat& status) {
  // ext4 with small inodes keeps whole seconds, as ext2 does, whose magic
  // number is the same.
  return status.st_ctim.tv_nsec != 0 && IsMultigrain(fd);
}

bool IsAsSeen(int fd, const Sighting& seen) {
  WaitForTruncation(fd, seen.status.st_size);
  struct stat now = {};
  return ::fstat(fd, &now) == 0 && IdentityOf(now) == IdentityOf(seen.status);
}

bool IsAtRest(const base::NearFiles::Place& place, uint64_t size,
              int64_t ctime_ns) {
  const base::UniqueFd fd(
      ::openat(place.directory, place.name,
               O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY));
  if (!fd.is_valid()) {
    return true;
  }
  WaitForTruncation(fd.get(), static_cast<off_t>(size));
  struct stat now = {};
  return ::fstat(fd.get(), &now) == 0 &&
         static_cast<uint64_t>(now.st_size) == size &&
         base::ToNs(now.st_ctim) == ctime_ns;
}

bool See(int fd, Sighting* sighting) {
  const int64_t clock_ns = base::FileClockFloor();
  if (::fstat(fd, &sighting->status) != 0) {
    return false;
  }
  const struct stat& status = sighting->status;
  sighting->is_final =
      LastChange(IdentityOf(status)) <= clock_ns ||
      (S_ISREG(status.st_mode) && HasStampForEachChange(fd, status) &&
       base::FindOpenWriters(fd) == base::OpenWriters::kNone);
  return true;
}

}  // namespace vt::fingerprint
