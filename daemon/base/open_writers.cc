// SPDX-License-Identifier: Apache-2.0

#include "daemon/base/open_writers.h"

#include <fcntl.h>

#include <cerrno>
#include <csignal>

namespace vt::base {

// A read lease is refused while somebody can write. Were it broken before it is
// given up, the signal is one that is ignored unless asked for.
OpenWriters FindOpenWriters(int fd) {
  if (::fcntl(fd, F_SETSIG, SIGURG) != 0) {
    return OpenWriters::kUnknown;
  }
  if (::fcntl(fd, F_SETLEASE, F_RDLCK) != 0) {
    return errno == EAGAIN ? OpenWriters::kSome : OpenWriters::kUnknown;
  }
  ::fcntl(fd, F_SETLEASE, F_UNLCK);
  return OpenWriters::kNone;
}

}  // namespace vt::base
