// SPDX-License-Identifier: Apache-2.0

#include "shim/output.h"

#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>

namespace vt::shim {
namespace {

// Regular files never block; character devices other than terminals hardly do.
bool IsAlwaysReady(int fd) {
  struct stat facts = {};
  if (::fstat(fd, &facts) != 0) {
    return false;
  }
  return S_ISREG(facts.st_mode) ||
         (S_ISCHR(facts.st_mode) && ::isatty(fd) == 0);
}

bool IsWritableNow(int fd) {
  pollfd wait = {fd, POLLOUT, 0};
  return ::poll(&wait, 1, 0) > 0;
}

}  // namespace

bool Print(int fd, absl::string_view text) {
  while (!text.empty()) {
    const ssize_t n = ::write(fd, text.data(), text.size());
    if (n <= 0 && errno != EINTR) {
      return false;
    }
    text.remove_prefix(static_cast<size_t>(n > 0 ? n : 0));
  }
  return true;
}

void Output::Take(int fd, absl::string_view bytes) {
  if (fd != fd_) {
    fd_ = fd;
    always_ready_ = IsAlwaysReady(fd);
  }
  bytes_.assign(bytes.data(), bytes.size());
  written_ = 0;
}

int Output::Flush() {
  while (!is_idle()) {
    size_t size = bytes_.size() - written_;
    if (!always_ready_) {
      if (!IsWritableNow(fd_)) {
        return 0;
      }
      // The descriptor may be in blocking mode, and must stay so: it is shared
      // with the shell. A pipe that is writable takes this much at once
      // (pipe(7)).
      size = std::min<size_t>(size, PIPE_BUF);
    }
    const ssize_t n = ::write(fd_, bytes_.data() + written_, size);
    if (n >= 0) {
      written_ += static_cast<size_t>(n);
    } else if (errno == EAGAIN) {
      return 0;  // somebody made it non-blocking
    } else if (errno != EINTR) {
      const int error = errno;
      written_ = bytes_.size();
      return error;
    }
  }
  return 0;
}

}  // namespace vt::shim
