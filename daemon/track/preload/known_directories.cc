// SPDX-License-Identifier: Apache-2.0

#include "daemon/track/preload/known_directories.h"

namespace vt::preload {
namespace {

// statx(2); include/uapi/linux/stat.h.
constexpr uint32_t kTypeAndLinks = 0x1 | 0x4;  // STATX_TYPE, STATX_NLINK
constexpr uint32_t kStatxCtime = 0x80;
constexpr uint32_t kStatxIno = 0x100;
constexpr uint32_t kStatxBtime = 0x800;
constexpr uint32_t kStatxMountId = 0x1000;  // since Linux 5.8
constexpr uint32_t kNeeded =
    kTypeAndLinks | kStatxCtime | kStatxIno | kStatxBtime | kStatxMountId;
constexpr uint16_t kTypeMask = 0170000;
constexpr uint16_t kTypeDirectory = 0040000;

struct Time {
  int64_t seconds;
  uint32_t nanoseconds;
  int32_t reserved;
};

struct Status {
  uint32_t mask;
  uint32_t block_size;
  uint64_t attributes;
  uint32_t links;
  uint32_t uid;
  uint32_t gid;
  uint16_t mode;
  uint16_t reserved;
  uint64_t inode;
  uint64_t size;
  uint64_t blocks;
  uint64_t attributes_mask;
  Time atime;
  Time btime;
  Time ctime;
  Time mtime;
  uint32_t rdev[2];
  uint32_t dev[2];
  uint64_t mount_id;
  uint64_t spare[13];
};
static_assert(sizeof(Status) == 256);

// 34 bits of seconds: 544 years.
uint64_t WordOf(const Time& time) {
  return static_cast<uint64_t>(time.seconds) << 30 | time.nanoseconds;
}

}  // namespace

uint32_t KnownDirectories::IndexOf(const DirectoryIdentity& identity) {
  return static_cast<uint32_t>(identity.words[0]) % kCount;
}

uint32_t KnownDirectories::Find(const DirectoryIdentity& identity,
                                uint32_t generation) const {
  const Entry& entry = entries_[IndexOf(identity)];
  const uint32_t before = LoadAcquire(&entry.sequence);
  if (before % 2 != 0 || Load(&entry.generation) != generation ||
      !IsSame(entry.identity, identity)) {
    return 0;
  }
  const uint32_t base = Load(&entry.base);
  __atomic_thread_fence(__ATOMIC_ACQUIRE);
  return Load(&entry.sequence) == before ? base : 0;
}

void KnownDirectories::Keep(const DirectoryIdentity& identity,
                            uint32_t generation, uint32_t base) {
  Entry& entry = entries_[IndexOf(identity)];
  const uint32_t before = LoadAcquire(&entry.sequence);
  if (before % 2 != 0 ||
      !CompareExchange(&entry.sequence, before, before + 1)) {
    return;
  }
  __atomic_thread_fence(__ATOMIC_RELEASE);
  for (uint32_t i = 0; i < DirectoryIdentity::kWords; ++i) {
    Store(&entry.identity.words[i], identity.words[i]);
  }
  Store(&entry.generation, generation);
  Store(&entry.base, base);
  StoreRelease(&entry.sequence, before + 2);
}

// [[gnu::noinline]]: its frame is large.
[[gnu::noinline]] bool IdentifyDirectory(int directory, const char* path,
                                         uint64_t signature,
                                         DirectoryIdentity* identity) {
  Status status;
  const long result = Syscall(
      nr::kStatx, directory, Word(path),
      path[0] == '\0' ? kAtEmptyPath : kAtNoFollow, kNeeded, Word(&status),
      static_cast<long>(signature ^ static_cast<uint64_t>(Word(path))));
  if (IsError(result) || (status.mask & kNeeded) != kNeeded ||
      (status.mode & kTypeMask) != kTypeDirectory || status.links == 0) {
    return false;
  }
  *identity = {{status.inode, uint64_t{status.dev[0]} << 32 | status.dev[1],
                status.mount_id, WordOf(status.btime), WordOf(status.ctime)}};
  return true;
}

}  // namespace vt::preload
