// SPDX-License-Identifier: Apache-2.0
//
// The shared memory of one action: written by the preload library inside the
// traced processes, read by the daemon (docs/TRACKING.md, "The accelerator").
// Freestanding: the preload library has no C++ runtime. Both sides are of one
// build (the daemon names the library it was installed with), but a stale one
// must be noticed: kArenaVersion changes with any change here.
//
//   page 0          ArenaHeader
//   kHeaderSize + i * kChunkSize   chunk i: ChunkHeader, then records
//
// Who may write what: the daemon writes the header but `next_chunk`; traced
// processes raise `next_chunk`, set kFlagLost, and write chunks. Nothing in it
// is believed by the daemon without a check of its bounds; what is odd makes
// the action not stored.
//
// A wrapper loads `epoch` first and `flags` after it (both acquire), and signs
// only if no bit of kFlagsPlain is set. Before a change of something that was
// there before, the daemon sets kFlagHold first and raises `epoch` after it. So
// a record with the new epoch is of a call made when the change was over, and
// one with an older epoch of a call made before, or at the same time.

#pragma once

#include <stdint.h>

namespace vt::track {

inline constexpr uint64_t kArenaMagic = 0x31616e6572617476;  // "vtarena1"
inline constexpr uint32_t kArenaVersion = 1;
inline constexpr uint32_t kHeaderSize = 4096;
inline constexpr uint32_t kChunkSize = 256 * 1024;
inline constexpr uint32_t kMaxChunks = 4096;

// Bits of ArenaHeader::flags.
inline constexpr uint32_t kFlagSlow = 1;    // sign nothing any more
inline constexpr uint32_t kFlagHold = 2;    // sign nothing for the moment
inline constexpr uint32_t kFlagLost = 4;    // a record found no room
inline constexpr uint32_t kFlagClosed = 8;  // the action has ended: go plain
inline constexpr uint32_t kFlagsPlain = kFlagSlow | kFlagHold | kFlagClosed;

struct ArenaHeader {
  uint64_t magic;
  // S of the action: a signed call carries `S ^ path pointer` in its sixth
  // argument, which the kernel ignores and the filter compares.
  uint64_t signature;
  uint32_t version;
  uint32_t chunk_count;     // at most kMaxChunks
  uint32_t next_chunk;      // atomic: index of the next free chunk
  uint32_t epoch;           // atomic: raised before each change is let through
  uint32_t cwd_generation;  // atomic: raised before each chdir is let through
  uint32_t flags;           // atomic
};

struct ChunkHeader {
  uint32_t used;   // atomic: bytes given out after this header, may overshoot
  uint32_t index;  // of the chunk
  uint32_t owner;  // process id that took the chunk; its forks write here too
  uint32_t reserved;
};

enum class RecordKind : uint8_t {
  kBase = 1,          // an absolute directory that names of others start at
  kRead = 2,          // open for reading, the last link followed
  kReadNoFollow = 3,  // O_NOFOLLOW
  kOpenPath = 4,      // O_PATH, the last link followed
  kOpenPathNoFollow = 5,
  kStat = 6,
  kLstat = 7,  // stat of the name itself: AT_SYMLINK_NOFOLLOW
  kAccess = 8,
  kReadlink = 9,
  kListing = 10,  // O_DIRECTORY, the last link followed
  kListingNoFollow = 11,
};
inline constexpr uint8_t kLastRecordKind = 11;

// 8-aligned. The writer reserves by adding to ChunkHeader::used, then stores
// `size` first (a release fence behind it), the rest, and `state` = 1 (release)
// last. The daemon reads a chunk in order and waits at one that is not
// complete. Not recorded: the empty name, and what fails with EFAULT or
// ENAMETOOLONG.
struct Record {
  uint32_t size;  // of all of it, a multiple of 8; 0: not begun
  uint8_t kind;
  uint8_t state;  // atomic: 1 when complete
  uint16_t path_size;
  // Where the name starts: offset in the arena, in units of 8, of a complete
  // kBase record. 0: the name is absolute.
  uint32_t base;
  int32_t result;  // 0, or -errno of the call
  uint32_t epoch;  // ArenaHeader::epoch, read before the call
  // path_size bytes (1 to 4095), as given, without a NUL; padded.
};

static_assert(sizeof(ArenaHeader) <= kHeaderSize);
static_assert(sizeof(ChunkHeader) == 16 && sizeof(Record) == 20);

// The call by which the library asks for the arena: openat(kHelloDirectory,
// <any name>, kHelloFlags, 0, kHelloWord, kArenaVersion). Notified, as every
// unsigned openat. The daemon answers it with a descriptor of the arena
// (CLOEXEC; SECCOMP_IOCTL_NOTIF_ADDFD with SEND), with -EPERM: do not ask
// again, or with another error: not now. One hello a chunk. Untraced it fails
// with EBADF, as no descriptor is that negative.
inline constexpr int kHelloDirectory = -0x56540001;
inline constexpr uint64_t kHelloWord = 0x6f6c6c6568747600;
inline constexpr int kHelloFlags = 0;

}  // namespace vt::track
