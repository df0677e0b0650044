// SPDX-License-Identifier: Apache-2.0
//
// DaemonLock: at most one daemon a cache directory (decisions H19). The lock is
// flock(2) on a file, so it ends with its process, however that ends; the text
// in the file tells others whom to talk to, and means nothing without the lock:
//   pid · socket · version · build · "draining" (only when on its way out)
// one a line. Lines may be added at the end, never changed.

#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"

#include "daemon/base/unique_fd.h"

namespace vt::lifecycle {

struct LockHolder {
  pid_t pid = 0;  // 0: it has not said yet
  std::string socket;
  std::string version;
  uint64_t build = 0;
  bool draining = false;
};

LockHolder ParseLockHolder(absl::string_view text);
std::string FormatLockHolder(const LockHolder& holder);

// Thread-compatible.
class DaemonLock {
 public:
  // Takes the lock of file `path` (created, 0600) and writes `self` into it. A
  // holder that is draining has let go of its socket and is closing its store:
  // it is waited for, at most `patience`. Blocking.
  //
  // UNAVAILABLE: somebody else holds it; the message names pid and socket.
  static absl::StatusOr<DaemonLock> Acquire(const std::string& path,
                                            const LockHolder& self,
                                            absl::Duration patience);

  DaemonLock(DaemonLock&&) = default;
  DaemonLock& operator=(DaemonLock&&) = default;

  // Says to whoever comes that it is worth waiting.
  void MarkDraining();

  // Whether the file that is locked is no longer the one at its path (the cache
  // directory was removed): then another daemon may start beside this one.
  bool is_lost() const;

  // Lets go; the file stays.
  void Release() { fd_.Reset(); }

 private:
  DaemonLock(std::string path, LockHolder self, base::UniqueFd fd);
  absl::Status Write();

  std::string path_;
  LockHolder self_;
  base::UniqueFd fd_;
};

}  // namespace vt::lifecycle
