// SPDX-License-Identifier: Apache-2.0

#include "daemon/lifecycle/daemon_lock.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <future>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/time/clock.h"

#include "daemon/base/status.h"

namespace vt::lifecycle {
namespace {

constexpr char kDraining[] = "draining";

// What `fd` holds, from its start: whole, for it is one short write.
LockHolder ReadHolder(int fd) {
  std::string text(8192, '\0');
  const ssize_t got = ::pread(fd, text.data(), text.size(), 0);
  text.resize(got > 0 ? static_cast<size_t>(got) : 0);
  return ParseLockHolder(text);
}

absl::Status Held(const std::string& path, const LockHolder& holder) {
  if (holder.pid == 0) {
    return absl::UnavailableError(absl::StrCat(
        "another daemon that is just starting holds `", path, "`"));
  }
  return absl::UnavailableError(
      absl::StrCat("daemon ", holder.pid, " at `", holder.socket, "`",
                   holder.draining ? ", which is still ending," : "",
                   " holds `", path, "`"));
}

// flock with a time limit, which the system does not have: in a thread that is
// left behind, with its own descriptor, when the time is over.
bool LockWithin(const base::UniqueFd& fd, absl::Duration limit) {
  base::UniqueFd own(::fcntl(fd.get(), F_DUPFD_CLOEXEC, 3));
  std::promise<bool> locked;
  std::future<bool> answer = locked.get_future();
  std::thread waiter(
      [own = std::move(own), locked = std::move(locked)]() mutable {
        int result = 0;
        do {
          result = ::flock(own.get(), LOCK_EX);
        } while (result != 0 && errno == EINTR);
        locked.set_value(result == 0);
      });
  if (answer.wait_for(absl::ToChronoMilliseconds(limit)) !=
      std::future_status::ready) {
    waiter.detach();
    return false;
  }
  waiter.join();
  return answer.get();
}

// Whether `path` names the file behind `fd`.
bool IsFileAt(const std::string& path, int fd) {
  struct stat at = {};
  struct stat open = {};
  return ::stat(path.c_str(), &at) == 0 && ::fstat(fd, &open) == 0 &&
         at.st_dev == open.st_dev && at.st_ino == open.st_ino;
}

}  // namespace

LockHolder ParseLockHolder(absl::string_view text) {
  const std::vector<std::string> lines = absl::StrSplit(text, '\n');
  LockHolder holder;
  // Each line ends with a newline, so there is one piece more than lines.
  if (lines.size() < 5 || !absl::SimpleAtoi(lines[0], &holder.pid) ||
      !absl::SimpleAtoi(lines[3], &holder.build)) {
    return {};
  }
  holder.socket = lines[1];
  holder.version = lines[2];
  holder.draining = lines[4] == kDraining;
  return holder;
}

std::string FormatLockHolder(const LockHolder& holder) {
  return absl::StrCat(holder.pid, "\n", holder.socket, "\n", holder.version,
                      "\n", holder.build, "\n",
                      holder.draining ? absl::StrCat(kDraining, "\n") : "");
}

absl::StatusOr<DaemonLock> DaemonLock::Acquire(const std::string& path,
                                               const LockHolder& self,
                                               absl::Duration patience) {
  const absl::Time deadline = absl::Now() + patience;
  while (true) {
    base::UniqueFd fd(
        ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
    if (!fd.is_valid()) {
      return base::ErrnoToStatus(errno, absl::StrCat("open `", path, "`"));
    }
    if (::flock(fd.get(), LOCK_EX | LOCK_NB) != 0) {
      if (errno != EWOULDBLOCK) {
        return base::ErrnoToStatus(errno, absl::StrCat("lock `", path, "`"));
      }
      const LockHolder holder = ReadHolder(fd.get());
      if (!holder.draining || !LockWithin(fd, deadline - absl::Now())) {
        return Held(path, holder);
      }
    }
    if (!IsFileAt(path, fd.get())) {
      continue;  // removed, and perhaps made anew, while we waited
    }
    DaemonLock lock(path, self, std::move(fd));
    VT_RETURN_IF_ERROR(lock.Write());
    return lock;
  }
}

DaemonLock::DaemonLock(std::string path, LockHolder self, base::UniqueFd fd)
    : path_(std::move(path)),
      self_(std::move(self)),
      fd_(std::move(fd)) {}

absl::Status DaemonLock::Write() {
  const std::string text = FormatLockHolder(self_);
  if (::pwrite(fd_.get(), text.data(), text.size(), 0) !=
          static_cast<ssize_t>(text.size()) ||
      ::ftruncate(fd_.get(), static_cast<off_t>(text.size())) != 0) {
    return base::ErrnoToStatus(errno, absl::StrCat("write `", path_, "`"));
  }
  return absl::OkStatus();
}

void DaemonLock::MarkDraining() {
  self_.draining = true;
  // If it fails, the next daemon gives up at once instead of waiting.
  Write().IgnoreError();
}

bool DaemonLock::is_lost() const {
  return fd_.is_valid() && !IsFileAt(path_, fd_.get());
}

}  // namespace vt::lifecycle
