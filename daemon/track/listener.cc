// SPDX-License-Identifier: Apache-2.0

#include "daemon/track/listener.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/utsname.h>

#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <utility>

// Of Linux 6.6, later than Debian 12's headers.
#ifndef SECCOMP_IOCTL_NOTIF_SET_FLAGS
#define SECCOMP_IOCTL_NOTIF_SET_FLAGS SECCOMP_IOW(4, __u64)
#endif
#ifndef SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP
#define SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP (1UL << 0)
#endif

#ifndef SECCOMP_ADDFD_FLAG_SEND
#define SECCOMP_ADDFD_FLAG_SEND (1UL << 1)
#endif

namespace vt::track {
namespace {

bool KernelIsAtLeast(int wanted_major, int wanted_minor) {
  utsname name;
  int major = 0;
  int minor = 0;
  return ::uname(&name) == 0 &&
         std::sscanf(name.release, "%d.%d", &major, &minor) == 2 &&
         (major > wanted_major ||
          (major == wanted_major && minor >= wanted_minor));
}

}  // namespace

Listener::Listener(base::UniqueFd fd)
    : fd_(std::move(fd)),
      receive_ends_(KernelIsAtLeast(6, 11)) {}

bool Listener::WakeSynchronously() const {
  return ::ioctl(fd_.get(), SECCOMP_IOCTL_NOTIF_SET_FLAGS,
                 SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP) == 0;
}

bool Listener::IsHungUp(int timeout_ms) const {
  pollfd item = {fd_.get(), POLLIN, 0};
  return ::poll(&item, 1, timeout_ms) > 0 && (item.revents & POLLIN) == 0 &&
         (item.revents & (POLLHUP | POLLERR | POLLNVAL)) != 0;
}

bool Listener::Receive(seccomp_notif* request, int* error) const {
  *error = 0;
  for (;;) {
    if (!receive_ends_ && IsHungUp(/*timeout_ms=*/-1)) {
      return false;
    }
    std::memset(request, 0, sizeof *request);  // the kernel insists
    if (::ioctl(fd_.get(), SECCOMP_IOCTL_NOTIF_RECV, request) == 0) {
      return true;
    }
    if (errno == ENOENT) {
      // Either the caller was killed before it was heard, or all are gone.
      if (IsHungUp(/*timeout_ms=*/0)) {
        return false;
      }
    } else if (errno != EINTR) {
      *error = errno;
      return false;
    }
  }
}

bool Listener::Send(const seccomp_notif_resp& response) const {
  seccomp_notif_resp copy = response;
  for (;;) {
    if (::ioctl(fd_.get(), SECCOMP_IOCTL_NOTIF_SEND, &copy) == 0) {
      return true;
    }
    if (errno != EINTR) {
      return false;
    }
  }
}

bool Listener::Continue(const seccomp_notif& request) const {
  seccomp_notif_resp response = {};
  response.id = request.id;
  response.flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE;
  return Send(response);
}

void Listener::Refuse(const seccomp_notif& request, int error) const {
  seccomp_notif_resp response = {};
  response.id = request.id;
  response.error = -error;
  Send(response);
}

bool Listener::Give(const seccomp_notif& request, int fd, bool at_once) const {
  seccomp_notif_addfd add = {};
  add.id = request.id;
  add.srcfd = static_cast<uint32_t>(fd);
  add.newfd_flags = O_CLOEXEC;
  add.flags = at_once ? SECCOMP_ADDFD_FLAG_SEND : 0;
  int number;
  do {
    number = ::ioctl(fd_.get(), SECCOMP_IOCTL_NOTIF_ADDFD, &add);
  } while (number < 0 && errno == EINTR);
  if (number < 0 || at_once) {
    return number >= 0;
  }
  seccomp_notif_resp response = {};
  response.id = request.id;
  response.val = number;
  Send(response);
  return true;
}

}  // namespace vt::track
