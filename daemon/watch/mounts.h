// SPDX-License-Identifier: Apache-2.0
//
// What of a file system inotify can be trusted with, and when mounts change.

#pragma once

#include <set>
#include <string>
#include <vector>

#include "daemon/base/unique_fd.h"

namespace vt::watch {

// Whether every change in the open directory `fd` is made through this kernel
// and reported under the name it was made by: a local file system that is known
// for it (not network, FUSE, overlay; decisions H9), and no directory that
// ignores case.
bool IsWatchable(int fd);

// Thread-compatible.
class MountTable {
 public:
  MountTable();
  // Where something was mounted or unmounted since the last call; two system
  // calls if nothing was. False: it cannot be told.
  bool TakeChanges(std::vector<std::string>* mount_points);

 private:
  bool Read(std::set<std::string>* lines);

  base::UniqueFd fd_;
  std::set<std::string> lines_;
};

// The mount point in a line of /proc/self/mountinfo, "" if it is none.
std::string MountPointOf(const std::string& line);

}  // namespace vt::watch
