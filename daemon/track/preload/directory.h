// SPDX-License-Identifier: Apache-2.0
//
// Where relative names start. The kernel is asked, and the answer recorded as a
// kBase record; that of the working directory is kept until somebody in the
// action changes a directory, which the daemon sees and tells by
// ArenaHeader::cwd_generation.

#pragma once

#include "daemon/track/preload/process.h"

namespace vt::preload {

// True if the calling process is the one whose working directory is kept.
// Claims it for a process that is surely no vfork child.
bool IsOwner(Attached* attached);

// The kBase record for names relative to `directory` (kAtCwd, a descriptor).
// 0: not known here, so the call must be plain: a vfork child that may be
// elsewhere, a deleted or unreachable directory, one in /proc or /dev.
uint32_t FindBaseOf(Attached* attached, Lane* lane, int directory,
                    uint32_t epoch);

// The same; quick if it is the working directory, and known.
inline uint32_t BaseOf(Attached* attached, Lane* lane, int directory,
                       uint32_t epoch) {
  const uint64_t generation = LoadAcquire(&attached->arena->cwd_generation);
  const uint64_t kept = LoadAcquire(&attached->directory);
  const auto base = static_cast<uint32_t>(kept);
  if (directory == kAtCwd && base != 0 && kept >> 32 == generation &&
      Load(&attached->owner->is_shared) == 0) {
    return base;
  }
  return FindBaseOf(attached, lane, directory, epoch);
}

// To be called after the working directory was changed.
void DirectoryChanged(Attached* attached);

// What the descriptor is called, in a buffer of kPathMax, unterminated; 0: no
// absolute name, or that of a deleted file.
long NameOfDescriptor(const Attached& attached, long fd, char* buffer);

// A buffer of kPathMax, for the stack may be that of a signal handler. Null:
// all are taken.
class Buffer {
 public:
  explicit Buffer(Attached* attached);
  Buffer(const Buffer&) = delete;
  Buffer& operator=(const Buffer&) = delete;
  ~Buffer();

  char* data() const { return data_; }

 private:
  Attached* const attached_;
  uint32_t bit_ = 0;
  char* data_ = nullptr;
};

}  // namespace vt::preload
