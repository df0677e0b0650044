// SPDX-License-Identifier: Apache-2.0
//
// Getting memory of the action's arena: the first time, and when a chunk is
// full. Errno is left alone by everything in this library but the wrappers.

#pragma once

#include "daemon/track/preload/process.h"

namespace vt::preload {

// Attaches now if enough calls were made. Null: not attached.
Attached* AttachIfDue();

inline Attached* Ready() {
  Attached* attached = LoadAcquire(&process.attached);
  return attached != nullptr ? attached : AttachIfDue();
}

// Lets the next wrapped call attach.
void AttachSoon();

// From here on every call is plain, and no other is made: the process has
// installed a system call filter, which may allow less than we would do.
void Retire();

// Sees to it that the lane has another chunk when `full` is full.
void PrepareToGrow(Attached* attached, Lane* lane, ChunkWord full);

// Replaces `full` by another chunk; true if there is one with room, which may
// be another thread's work.
bool Grow(Attached* attached, Lane* lane, ChunkWord full);

// Counts a call of a thread that has no lane; makes the lane if that is worth
// its while. Returns the one to use: never null.
Lane* AddLaneIfDue(Attached* attached, uint32_t number);

}  // namespace vt::preload
