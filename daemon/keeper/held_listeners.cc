// SPDX-License-Identifier: Apache-2.0

#include "daemon/keeper/held_listeners.h"

#include <sys/socket.h>
#include <sys/uio.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace vt::keeper {

bool HeldListeners::Serve(int socket) {
  char message[kMessageBytes] = {};
  iovec part = {message, sizeof message};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
  msghdr header = {};
  header.msg_iov = &part;
  header.msg_iovlen = 1;
  header.msg_control = control;
  header.msg_controllen = sizeof control;
  ssize_t n = 0;
  do {
    n = ::recvmsg(socket, &header, MSG_CMSG_CLOEXEC);
  } while (n < 0 && errno == EINTR);
  base::UniqueFd fd;
  const cmsghdr* first = n > 0 ? CMSG_FIRSTHDR(&header) : nullptr;
  if (first != nullptr && first->cmsg_type == SCM_RIGHTS) {
    int received = -1;
    std::memcpy(&received, CMSG_DATA(first), sizeof received);
    fd.Reset(received);
  }
  if (n != kMessageBytes) {
    return false;
  }
  uint64_t id = 0;
  std::memcpy(&id, message + 1, sizeof id);
  if (message[0] == kRelease) {
    held_.erase(
        std::remove_if(held_.begin(), held_.end(),
                       [id](const auto& held) { return held.first == id; }),
        held_.end());
    return true;
  }
  if (message[0] != kHold) {
    return false;
  }
  message[0] = fd.is_valid() ? kHeld : kNotHeld;
  if (fd.is_valid()) {
    held_.emplace_back(id, std::move(fd));
  }
  return ::send(socket, message, sizeof message, MSG_NOSIGNAL) == kMessageBytes;
}

}  // namespace vt::keeper
