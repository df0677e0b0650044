// SPDX-License-Identifier: Apache-2.0

#include "daemon/lifecycle/listener.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"

#include "daemon/base/path.h"
#include "daemon/base/status.h"

namespace vt::lifecycle {
namespace {

constexpr int kFirstSystemdFd = 3;  // SD_LISTEN_FDS_START

// A socket address for a path of any length: sun_path holds 107 bytes, so a
// longer one goes through its directory's descriptor (decisions H19), which
// must stay open while the address is used.
struct Address {
  sockaddr_un name = {};
  base::UniqueFd directory;

  const sockaddr* get() const {
    return reinterpret_cast<const sockaddr*>(&name);
  }
};

absl::StatusOr<Address> MakeAddress(const std::string& path) {
  Address address;
  address.name.sun_family = AF_UNIX;
  std::string text = path;
  if (text.size() >= sizeof address.name.sun_path) {
    const std::string directory(base::Dirname(path));
    address.directory.Reset(
        ::open(directory.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
    if (!address.directory.is_valid()) {
      return base::ErrnoToStatus(errno, absl::StrCat("open `", directory, "`"));
    }
    text = absl::StrCat("/proc/self/fd/", address.directory.get(), "/",
                        base::Basename(path));
    if (text.size() >= sizeof address.name.sun_path) {
      return absl::InvalidArgumentError(
          absl::StrCat("the file name of `", path, "` is too long"));
    }
  }
  std::memcpy(address.name.sun_path, text.c_str(), text.size() + 1);
  return address;
}

// Removes what an earlier daemon left at `path`.
absl::Status RemoveStale(const std::string& path, const Address& address) {
  struct stat facts = {};
  if (::lstat(path.c_str(), &facts) != 0) {
    return errno == ENOENT
               ? absl::OkStatus()
               : base::ErrnoToStatus(errno, absl::StrCat("stat `", path, "`"));
  }
  if (!S_ISSOCK(facts.st_mode) || facts.st_uid != ::geteuid()) {
    return absl::FailedPreconditionError(
        absl::StrCat("`", path, "` is in the way: it is no socket of ours"));
  }
  const base::UniqueFd probe(
      ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (::connect(probe.get(), address.get(), sizeof address.name) == 0 ||
      errno == EAGAIN) {
    ucred peer = {};
    socklen_t size = sizeof peer;
    // Of a listening socket, the process that called listen(2): unix(7).
    const bool known =
        ::getsockopt(probe.get(), SOL_SOCKET, SO_PEERCRED, &peer, &size) == 0 &&
        peer.pid > 0;
    return absl::UnavailableError(
        absl::StrCat("another daemon", known ? absl::StrCat(" ", peer.pid) : "",
                     " listens at `", path, "`"));
  }
  if (::unlink(path.c_str()) != 0 && errno != ENOENT) {
    return base::ErrnoToStatus(errno, absl::StrCat("unlink `", path, "`"));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<Listener> Listener::Bind(const std::string& path) {
  VT_ASSIGN_OR_RETURN(const Address address, MakeAddress(path));
  VT_RETURN_IF_ERROR(RemoveStale(path, address));
  Listener self;
  self.fd_.Reset(
      ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!self.fd_.is_valid()) {
    return base::ErrnoToStatus(errno, "socket");
  }
  if (::bind(self.fd_.get(), address.get(), sizeof address.name) != 0) {
    return base::ErrnoToStatus(errno, absl::StrCat("bind `", path, "`"));
  }
  // Before listen: nobody can connect earlier. The directory is private anyway.
  self.file_.Reset(::open(path.c_str(), O_PATH | O_NOFOLLOW | O_CLOEXEC));
  if (!self.file_.is_valid() || ::chmod(path.c_str(), 0600) != 0 ||
      ::listen(self.fd_.get(), SOMAXCONN) != 0) {
    return base::ErrnoToStatus(errno, absl::StrCat("listen at `", path, "`"));
  }
  self.path_ = path;
  return self;
}

Listener Listener::FromSystemd() {
  Listener self;
  const char* pid = std::getenv("LISTEN_PID");  // NOLINT(concurrency-mt-unsafe)
  const char* count = std::getenv("LISTEN_FDS");  // NOLINT
  pid_t for_whom = 0;
  int descriptors = 0;
  if (pid != nullptr && count != nullptr && absl::SimpleAtoi(pid, &for_whom) &&
      for_whom == ::getpid() && absl::SimpleAtoi(count, &descriptors) &&
      descriptors >= 1 && ::fcntl(kFirstSystemdFd, F_SETFD, FD_CLOEXEC) == 0 &&
      ::fcntl(kFirstSystemdFd, F_SETFL, O_NONBLOCK) == 0) {
    self.fd_.Reset(kFirstSystemdFd);
  }
  for (const char* name : {"LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"}) {
    ::unsetenv(name);  // NOLINT(concurrency-mt-unsafe): before any thread
  }
  return self;
}

void Listener::Unlink() {
  if (path_.empty()) {
    return;
  }
  struct stat there = {};
  struct stat ours = {};
  if (::lstat(path_.c_str(), &there) == 0 && ::fstat(file_.get(), &ours) == 0 &&
      there.st_dev == ours.st_dev && there.st_ino == ours.st_ino) {
    ::unlink(path_.c_str());
  }
  path_.clear();
}

}  // namespace vt::lifecycle
