// SPDX-License-Identifier: Apache-2.0
//
// InFlight: changes that were let through and may not be over. A call that was
// told to go on does not say when it has ended. Until then nobody may trust
// what names lead to, and processes may not sign calls: their records could be
// of before or after the change.

#pragma once

#include <sys/types.h>

#include <optional>
#include <string>
#include <vector>

#include "daemon/track/file_identity.h"

namespace vt::track {

// Thread-compatible.
class InFlight {
 public:
  // `tid` is about to change what stands at `path` and now is `status`.
  void AddChange(pid_t tid, const std::string& path, const struct stat& status,
                 bool changes_names);
  // `tid` is about to make something at `path`, where nothing is.
  void AddCreation(pid_t tid, const std::string& path, bool changes_names);
  // `tid` is about to change its working directory.
  void AddMove(pid_t tid);

  // A call of `tid` was notified: forgets what is known to be over. True if one
  // of these had changed names. An lstat for each that is left.
  bool Settle(pid_t tid);

  bool is_empty() const { return items_.empty(); }

 private:
  struct Item {
    pid_t tid;
    std::string path;                    // empty: nothing on the disk tells
    std::optional<FileIdentity> before;  // nullopt: nothing was there
    bool changes_names;
    // Notifications until it is taken for failed.
    int patience;
  };

  static bool IsOver(Item* item, pid_t tid);

  std::vector<Item> items_;
};

}  // namespace vt::track
