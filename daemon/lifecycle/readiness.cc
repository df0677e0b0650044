// SPDX-License-Identifier: Apache-2.0

#include "daemon/lifecycle/readiness.h"

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <string>

#include "absl/strings/str_cat.h"

#include "daemon/base/file.h"
#include "daemon/base/unique_fd.h"

namespace vt::lifecycle {

void ReportReady(int ready_fd, const absl::Status& status) {
  if (ready_fd < 0) {
    return;
  }
  std::string text =
      status.ok() ? "ok" : absl::StrCat("error: ", status.message());
  std::replace(text.begin(), text.end(), '\n', ' ');
  // Whoever waited may have given up; then there is nobody to tell.
  base::WriteAll(ready_fd, absl::StrCat(text, "\n")).IgnoreError();
  ::close(ready_fd);
}

void NotifySystemd(const char* text) {
  const char* path = std::getenv("NOTIFY_SOCKET");  // NOLINT: nobody sets it
  sockaddr_un address = {};
  if (path == nullptr || (path[0] != '/' && path[0] != '@') ||
      std::strlen(path) >= sizeof address.sun_path) {
    return;
  }
  address.sun_family = AF_UNIX;
  const size_t length = std::strlen(path);
  std::memcpy(address.sun_path, path, length);
  if (path[0] == '@') {
    address.sun_path[0] = '\0';  // the abstract name space
  }
  const base::UniqueFd socket(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  // Nothing can be done if it fails: systemd will time out and say so.
  static_cast<void>(::sendto(
      socket.get(), text, std::strlen(text), MSG_NOSIGNAL,
      reinterpret_cast<const sockaddr*>(&address),
      static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + length)));
}

}  // namespace vt::lifecycle
