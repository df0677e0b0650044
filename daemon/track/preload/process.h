// SPDX-License-Identifier: Apache-2.0
//
// What one process keeps of its action: nothing until it is attached, then a
// pointer to private memory beside the mapped arena.
//
// Everything here may be reached at any time by any thread, by a signal handler
// that interrupted another use of it, by a vfork child that shares the memory,
// and after a fork by a child that has a copy. Hence no locks: words that are
// read and replaced whole. What is lost in a race costs time (a plain call, a
// repeated record), never a record.

#pragma once

#include "daemon/track/preload/arena_layout.h"
#include "daemon/track/preload/kernel.h"
#include "daemon/track/preload/known_directories.h"

namespace vt::preload {

// A mapped chunk: its address, which is a multiple of the page size, and its
// index (below 4096) in the low bits. 0: none.
using ChunkWord = uint64_t;

inline track::ChunkHeader* ChunkOf(ChunkWord word) {
  return reinterpret_cast<track::ChunkHeader*>(word & ~(kPageSize - 1));
}
inline uint32_t IndexOf(ChunkWord word) {
  return static_cast<uint32_t>(word & (kPageSize - 1));
}

inline constexpr uint32_t kChunksKnown = 8;
// What was recorded, to be found again: lines of eight slots. A process that
// has recorded little uses the first few, which lie in one page.
inline constexpr uint32_t kSlotsPerLine = 8;
inline constexpr uint32_t kSlots = 8192;
inline constexpr uint32_t kLaneSlots = 2048;
inline constexpr uint32_t kFewSlots = 256;
inline constexpr uint32_t kLanes = 8;
inline constexpr uint32_t kBufferCount = 8;

// A page of its own that a fork child gets filled with zeros
// (MADV_WIPEONFORK), but a vfork child shares.
struct Owner {
  // The process whose working directory `Attached::directory` is; 0: not known
  // yet. Only it may ask for the directory and keep the answer.
  uint32_t pid;
  // A vfork child has gone elsewhere: look at the pid at each use.
  uint32_t is_shared;
};

// Where threads record: each in the lane of its number (lane.h). Threads that
// run at the same time would take the words of one lane from each other at
// every record, which costs more than the record.
struct Lane {
  ChunkWord current;
  ChunkWord spare;
  ChunkWord chunks[kChunksKnown];  // those whose records can be looked at
  uint32_t chunk_count;            // chunks mapped so far
  uint32_t record_count;           // no further than where all slots are used
  uint32_t slot_count;             // a power of two
  // In the low half offset / 8 of an earlier record, in the high half the same
  // of its hash: so that no other record is looked at, which would be a cache
  // miss each. 0: free. 64-aligned.
  uint64_t* slots;
};

// Calls of threads whose lane is not there yet.
struct alignas(64) LaneWish {
  uint32_t calls;
};

// Private memory of an attached process, never freed.
struct Attached {
  track::ArenaHeader* arena;
  uint64_t signature;
  Owner* owner;
  char* buffers;          // kBufferCount of kPathMax
  uint32_t buffers_used;  // one bit each
  uint32_t chdir_count;
  // ArenaHeader::cwd_generation << 32 | offset / 8 of the kBase record of the
  // working directory. Offset 0: not known; then the upper half is
  // `chdir_count`, so that the word differs from all before.
  uint64_t directory;
  KnownDirectories open_directories;
  // ArenaHeader::cwd_generation << 32 | the epoch since which names mean what
  // they mean now: older records are not repeats.
  uint64_t names;
  Lane* lanes[kLanes];  // null: that of `first`
  LaneWish wishes[kLanes];
  Lane first;
  alignas(64) uint64_t slots[kSlots];  // of `first`
};

// Private memory of another lane, never freed. Its table fits the cache beside
// those of the others.
struct MoreLane {
  Lane lane;
  alignas(64) uint64_t slots[kLaneSlots];
};

struct Process {
  Attached* attached;
  uint32_t calls;         // wrapped calls before attaching
  uint32_t attach_after;  // of them; kNever
  uint32_t busy;          // a thread is asking for memory
  uint32_t refused;       // times that others found it busy
};

inline constexpr uint32_t kNever = UINT32_MAX;

// In .data, on the page that the dynamic linker writes to anyway.
extern __attribute__((visibility("hidden"))) Process process;

}  // namespace vt::preload
