// SPDX-License-Identifier: Apache-2.0
//
// HeldListeners: duplicates of the daemon's tracing listeners.
//
// A seccomp listener whose last descriptor is closed makes every filtered
// system call of its processes fail with ENOSYS (seccomp_unotify(2)). The
// keeper holds a duplicate, so that when the daemon is killed its tasks are
// killed before they could see that.
//
// Messages on the keeper's socket (SOCK_SEQPACKET), never renumber:
//   daemon: 'A' id, one descriptor by SCM_RIGHTS    hold this
//   keeper: 'K' id  it is held · 'N' id  it could not be received
//   daemon: 'R' id                                  close it
// One byte and one uint64_t of the machine's own byte order.

#pragma once

#include <cstdint>
#include <utility>
#include <vector>

#include "daemon/base/unique_fd.h"

namespace vt::keeper {

inline constexpr char kHold = 'A';
inline constexpr char kHeld = 'K';
inline constexpr char kNotHeld = 'N';
inline constexpr char kRelease = 'R';
inline constexpr int kMessageBytes = 9;

// Thread-compatible.
class HeldListeners {
 public:
  // Reads one message of `socket` and answers it. False when the other side is
  // gone, or speaks nonsense.
  bool Serve(int socket);

 private:
  std::vector<std::pair<uint64_t, base::UniqueFd>> held_;
};

}  // namespace vt::keeper
