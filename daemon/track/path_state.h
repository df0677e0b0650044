// SPDX-License-Identifier: Apache-2.0
//
// What AccessLog knows of one path. For the files of access_log alone.

#pragma once

#include <sys/stat.h>

#include <cstdint>
#include <optional>

#include "daemon/base/digest.h"
#include "daemon/track/access_log.h"
#include "daemon/track/access_set.h"
#include "daemon/track/file_identity.h"

namespace vt::track {

// What kind of thing has this mode.
inline PreState TypeOf(mode_t mode) {
  switch (mode & S_IFMT) {
    case S_IFREG:
      return PreState::kFile;
    case S_IFDIR:
      return PreState::kDirectory;
    case S_IFLNK:
      return PreState::kSymlink;
    default:
      return PreState::kOther;
  }
}

struct AccessLog::PathState {
  uint32_t observed = 0;
  bool missing = false;     // an observation found nothing
  bool is_blocked = false;  // because of something that is no directory
  bool found = false;       // an observation found something
  bool in_root = false;
  bool mutated = false;
  bool content_mutated = false;  // more than its mode and times
  bool self_mutated = false;     // not by nested actions alone
  bool creation_tried = false;
  bool was_there = false;  // it was found, or changed where it stood
  bool is_ensured = false;  // mkdir was tried
  // Of a first mkdir that found something there.
  std::optional<mode_t> ensured_mode;
  uint32_t ensured_epoch = 0;
  bool makes_parents = false;
  // What was there before was seen to have changed, or to be gone; inode numbers
  // are used again, so the identity at the end does not tell.
  bool replaced = false;
  bool is_gone = false;
  bool is_overwritten = false;  // Access::is_overwritten
  // At the end the file that stood there before still does.
  bool is_kept = false;
  std::optional<mode_t> new_mode;  // that the first change gives a new one
  std::optional<mode_t> set_mode;  // by the last chmod
  PreState pre = PreState::kUnknown;
  bool digest_tried = false;
  std::optional<base::Digest> digest;
  FileIdentity before;      // at the first change
  FileIdentity first_seen;  // at the first observation that found it
  bool is_output = false;
  bool is_deletion = false;
  // Epoch of the first change, if nothing stood there before; of the last one
  // until it is known to be there, for those before it have failed.
  uint32_t made_epoch = 0;
  // Epoch of the last change that found the old thing still there. A record
  // that is not older is of what the action had made of it.
  uint32_t own_since = 0;
  // Epoch of the last change of something that was there.
  uint32_t changed_epoch = 0;
  bool by_notification = false;
  bool by_record = false;
  bool is_new = true;
  bool is_fresh = false;   // first seen when nothing was running any more
  bool is_flawed = false;  // it makes the set incomplete, and that is said
  int first_program = -1;

  // By the action, where nothing was.
  bool is_made() const { return mutated && pre == PreState::kMissing; }
  bool existed() const { return mutated && pre != PreState::kMissing; }
};

}  // namespace vt::track
