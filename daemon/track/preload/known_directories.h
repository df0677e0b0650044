// SPDX-License-Identifier: Apache-2.0
//
// What directories are called that the process has open: to ask the kernel for
// a descriptor's name, by /proc, costs ten times as much (3.2 us, measured on
// Linux 6.18) as to ask whether it is still the same directory.

#pragma once

#include "daemon/track/preload/kernel.h"

namespace vt::preload {

// Which directory it is, by which mount, and its ctime, which a rename changes.
// An inode that is used again has other times.
struct DirectoryIdentity {
  static constexpr uint32_t kWords = 5;
  uint64_t words[kWords];
};

inline bool IsSame(const DirectoryIdentity& a, const DirectoryIdentity& b) {
  for (uint32_t i = 0; i < DirectoryIdentity::kWords; ++i) {
    if (Load(&a.words[i]) != b.words[i]) {
      return false;
    }
  }
  return true;
}

// One process's; its forks have copies, its vfork children the same. The base
// of each is a kBase record of the arena, which they share. Valid for one
// generation of ArenaHeader::cwd_generation: a rename above a directory does
// not show in its identity, but the daemon sees it. No locks: an entry whose
// writer is interrupted for good is not used any more.
class KnownDirectories {
 public:
  // 0: not known.
  uint32_t Find(const DirectoryIdentity& identity, uint32_t generation) const;
  void Keep(const DirectoryIdentity& identity, uint32_t generation,
            uint32_t base);

 private:
  static constexpr uint32_t kCount = 8;  // a power of two
  struct Entry {
    uint32_t sequence;  // odd while it is written
    uint32_t generation;
    uint32_t base;
    DirectoryIdentity identity;
  };
  static uint32_t IndexOf(const DirectoryIdentity& identity);

  Entry entries_[kCount];
};

// Of an open directory, or of the one at an absolute name that ends in no link.
// False if it is none, is removed, or the file system does not say enough of
// it. `signature` lets the call pass.
bool IdentifyDirectory(int directory, const char* path, uint64_t signature,
                       DirectoryIdentity* identity);

}  // namespace vt::preload
