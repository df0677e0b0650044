// SPDX-License-Identifier: Apache-2.0

#include "daemon/track/task.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "absl/strings/match.h"
#include "absl/strings/string_view.h"

#include "daemon/base/unique_fd.h"

namespace vt::track {
namespace {

// A read ends at a page border, so that a string at the end of a mapping is
// read whole. The smallest page size in use; larger ones are multiples.
constexpr uint64_t kPage = 4096;

Task::Read FromErrno() {
  if (errno == ESRCH) {
    return Task::Read::kGone;
  }
  return errno == EFAULT ? Task::Read::kFault : Task::Read::kRefused;
}

// Whether `link`, a text of /proc, names a file that can be reached by it. The
// kernel appends " (deleted)", which could also be part of a name.
bool IsReachable(const std::string& link) {
  if (link.empty() || link[0] != '/') {
    return false;
  }
  struct stat ignored;
  return !absl::EndsWith(link, " (deleted)") ||
         ::lstat(link.c_str(), &ignored) == 0;
}

}  // namespace

Task::Read Task::ReadBytes(uint64_t address, void* out, size_t size) const {
  iovec local = {out, size};
  iovec remote = {reinterpret_cast<void*>(address), size};
  const ssize_t count = ::process_vm_readv(tid_, &local, 1, &remote, 1, 0);
  if (count < 0) {
    return FromErrno();
  }
  return static_cast<size_t>(count) == size ? Read::kOk : Read::kFault;
}

Task::Read Task::ReadString(uint64_t address, std::string* out) const {
  if (address == 0) {
    return Read::kFault;
  }
  char buffer[PATH_MAX];
  size_t length = 0;
  while (length < sizeof buffer) {
    const uint64_t start = address + length;
    const size_t size =
        std::min<size_t>(kPage - start % kPage, sizeof buffer - length);
    const Read result = ReadBytes(start, buffer + length, size);
    if (result != Read::kOk) {
      return result;
    }
    const void* end = std::memchr(buffer + length, '\0', size);
    if (end != nullptr) {
      out->assign(buffer,
                  static_cast<size_t>(static_cast<const char*>(end) - buffer));
      return Read::kOk;
    }
    length += size;
  }
  return Read::kFault;  // the kernel will say ENAMETOOLONG
}

bool Task::ReadLink(const char* name, std::string* out) const {
  char path[64];
  std::snprintf(path, sizeof path, "/proc/%d/%s", tid_, name);
  char buffer[PATH_MAX];
  const ssize_t length = ::readlink(path, buffer, sizeof buffer);
  if (length < 0) {
    return false;
  }
  out->assign(buffer, static_cast<size_t>(length));
  return true;
}

bool Task::WorkingDirectory(std::string* out) const {
  return ReadLink("cwd", out) && IsReachable(*out);
}

bool Task::DescriptorPath(int fd, std::string* out) const {
  char name[32];
  std::snprintf(name, sizeof name, "fd/%d", fd);
  return ReadLink(name, out) && IsReachable(*out);
}

bool Task::HasSiblings() const {
  char path[64];
  std::snprintf(path, sizeof path, "/proc/%d/task", tid_);
  struct stat status;
  // Links: two, and one a thread (proc_task_getattr of the kernel's
  // fs/proc/base.c). Doubt counts as others.
  return ::stat(path, &status) != 0 || status.st_nlink > 3;
}

bool Task::ReadStatus(const char* name, char* out, size_t size) const {
  char path[64];
  std::snprintf(path, sizeof path, "/proc/%d/status", tid_);
  base::UniqueFd fd(::open(path, O_RDONLY | O_CLOEXEC));
  char buffer[512];
  const ssize_t count =
      fd.is_valid() ? ::read(fd.get(), buffer, sizeof buffer - 1) : -1;
  if (count <= 0) {
    return false;
  }
  buffer[count] = '\0';
  // The program's name comes first and is escaped: it cannot fake this line.
  const char* line = std::strstr(buffer, name);
  if (line == nullptr) {
    return false;
  }
  std::snprintf(out, size, "%s", line + std::strlen(name));
  return true;
}

pid_t Task::ProcessId() const {
  char text[32];
  return ReadStatus("\nTgid:", text, sizeof text) ? std::atoi(text) : tid_;
}

std::optional<mode_t> Task::Umask() const {
  char text[32];
  if (!ReadStatus("\nUmask:", text, sizeof text)) {
    return std::nullopt;
  }
  return static_cast<mode_t>(std::strtoul(text, nullptr, 8));
}

}  // namespace vt::track
