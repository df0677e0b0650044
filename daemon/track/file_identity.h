// SPDX-License-Identifier: Apache-2.0
//
// FileIdentity: what is compared to tell whether a file is still the same
// (decisions H7).

#pragma once

#include <sys/stat.h>
#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>

namespace vt::track {

struct FileIdentity {
  dev_t device = 0;
  ino_t inode = 0;
  mode_t mode = 0;
  uint64_t size = 0;
  timespec mtime = {};
  timespec ctime = {};

  static FileIdentity Of(const struct stat& status);
};

// Of what stands at `path` now, a link itself; nullopt: nothing, or it cannot
// be looked at. One lstat.
std::optional<FileIdentity> LookAt(const std::string& path);

// The same file, whatever is in it.
bool SameFile(const FileIdentity& a, const FileIdentity& b);

// The content is the same; a chmod or a new hard link moves ctime alone.
bool SameContent(const FileIdentity& a, const FileIdentity& b);

// Nobody touched it, in any way that leaves a trace.
bool SameIdentity(const FileIdentity& a, const FileIdentity& b);

}  // namespace vt::track
