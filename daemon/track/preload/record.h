// SPDX-License-Identifier: Apache-2.0
//
// Writing records into the arena (arena_layout.h has their layout).

#pragma once

#include "daemon/track/preload/process.h"

namespace vt::preload {

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

// Length of a string the kernel has just read, at most kPathMax.
uint32_t LengthOf(const char* text);

// True if the current chunk has room for what a call may record, or another one
// was found. To be asked before a call is signed.
bool HasRoom(Attached* attached);

// Writes the record unless it repeats an earlier one of this process. Returns
// its offset / 8, or that of the earlier one. 0: no room, and kFlagLost is set.
uint32_t Write(Attached* attached, const Observation& observation);

}  // namespace vt::preload
