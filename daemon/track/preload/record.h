// SPDX-License-Identifier: Apache-2.0
//
// Writing records into the arena (arena_layout.h has their layout).

#pragma once

#include "daemon/track/preload/attach.h"
#include "daemon/track/preload/process.h"

namespace vt::preload {

inline constexpr uint32_t kChunkRoom =
    track::kChunkSize - sizeof(track::ChunkHeader);
// Bytes that are not written to a chunk any more: two of the largest records,
// so that a call which found this much room finds it afterwards too.
inline constexpr uint32_t kLargestRecord = sizeof(track::Record) + 4100;

struct Observation {
  track::RecordKind kind;
  uint32_t base;  // offset / 8 of a kBase record; 0: the path is absolute
  int32_t result;
  uint32_t epoch;
  const char* path;
  uint32_t path_size;
};

// Length of a string the kernel has just read, at most kPathMax. Whole words at
// multiples of eight: they never reach into a page that the string does not.
inline uint32_t LengthOf(const char* text) {
  constexpr uint64_t kOnes = 0x0101010101010101;
  const auto before = static_cast<uint32_t>(Word(text) % 8);
  // What lies in the first word before the string counts as no end.
  uint64_t skipped = (uint64_t{1} << 8 * before) - 1;
  const char* at = text - before;
  for (; at < text + kPathMax; at += 8) {
    uint64_t word;
    __builtin_memcpy(&word, __builtin_assume_aligned(at, 8), 8);
    word |= skipped;
    skipped = 0;
    const uint64_t zeros = (word - kOnes) & ~word & kOnes << 7;
    if (zeros != 0) {
      const long length = at - text + __builtin_ctzll(zeros) / 8;
      return static_cast<uint32_t>(length < kPathMax ? length : kPathMax);
    }
  }
  return kPathMax;
}

// From here on the next chunk is asked for, so that it is there when the other
// threads need it. (What a dozen threads record while one waits for a busy
// daemon; guess.)
inline constexpr uint32_t kNearlyFull = kChunkRoom - 32 * 1024;

// True if the lane's chunk has room for what a call may record, or another one
// was found. To be asked before a call is signed.
inline bool HasRoom(Attached* attached, Lane* lane) {
  const ChunkWord chunk = LoadAcquire(&lane->current);
  const uint32_t used = Load(&ChunkOf(chunk)->used);
  if (used <= kNearlyFull) {
    return true;
  }
  if (used <= kChunkRoom - 2 * kLargestRecord) {
    PrepareToGrow(attached, lane, chunk);
    return true;
  }
  return Grow(attached, lane, chunk);
}

// Writes the record unless it repeats an earlier one of this lane. Returns
// its offset / 8, or that of the earlier one. 0: no room, and kFlagLost is set.
uint32_t Write(Attached* attached, Lane* lane, const Observation& observation);

}  // namespace vt::preload
