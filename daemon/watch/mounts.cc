// SPDX-License-Identifier: Apache-2.0

#include "daemon/watch/mounts.h"

#include <fcntl.h>
#include <linux/fs.h>
#include <linux/magic.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <iterator>

#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"

namespace vt::watch {
namespace {

// Not in Debian 12's <linux/magic.h>; fs/bcachefs/bcachefs_format.h.
constexpr long kBcachefs = 0xca451a4e;
// <linux/fs.h> of newer kernels: FS_CASEFOLD_FL.
constexpr long kIgnoresCase = 0x40000000;

}  // namespace

bool IsWatchable(int fd) {
  struct statfs facts = {};
  if (::fstatfs(fd, &facts) != 0) {
    return false;
  }
  switch (facts.f_type) {
    case EXT4_SUPER_MAGIC:  // ext2 and ext3, too
    case XFS_SUPER_MAGIC:
    case BTRFS_SUPER_MAGIC:
    case F2FS_SUPER_MAGIC:
    case TMPFS_MAGIC:
    case RAMFS_MAGIC:
    case kBcachefs:
      break;
    default:
      return false;
  }
  long flags = 0;
  // Who does not know the question has no such directories.
  return ::ioctl(fd, FS_IOC_GETFLAGS, &flags) != 0 ||
         (flags & kIgnoresCase) == 0;
}

std::string MountPointOf(const std::string& line) {
  // proc(5): id, parent, device, root, mount point; blanks are octal.
  const std::vector<std::string> fields = absl::StrSplit(line, ' ');
  if (fields.size() < 5) {
    return "";
  }
  std::string point;
  const std::string& text = fields[4];
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\\' && i + 3 < text.size()) {
      const int code = (text[i + 1] - '0') * 64 + (text[i + 2] - '0') * 8 +
                       (text[i + 3] - '0');
      point.push_back(static_cast<char>(code));
      i += 3;
    } else {
      point.push_back(text[i]);
    }
  }
  return point;
}

MountTable::MountTable()
    : fd_(::open("/proc/self/mountinfo", O_RDONLY | O_CLOEXEC)) {
  Read(&lines_);
}

bool MountTable::Read(std::set<std::string>* lines) {
  std::string text;
  char buffer[16384];
  ssize_t n = 0;
  off_t at = 0;
  while ((n = ::pread(fd_.get(), buffer, sizeof buffer, at)) > 0) {
    text.append(buffer, static_cast<size_t>(n));
    at += n;
  }
  for (const absl::string_view line :
       absl::StrSplit(text, '\n', absl::SkipEmpty())) {
    lines->emplace(line);
  }
  return n == 0 && !lines->empty();
}

bool MountTable::TakeChanges(std::vector<std::string>* mount_points) {
  // proc(5): a change marks the descriptor with POLLERR and POLLPRI, once.
  pollfd wait = {fd_.get(), POLLPRI, 0};
  if (!fd_.is_valid() || ::poll(&wait, 1, 0) < 0) {
    return false;
  }
  if (wait.revents == 0) {
    return true;
  }
  std::set<std::string> now;
  if (!Read(&now)) {
    return false;
  }
  std::vector<std::string> changed;
  std::set_symmetric_difference(lines_.begin(), lines_.end(), now.begin(),
                                now.end(), std::back_inserter(changed));
  for (const std::string& line : changed) {
    mount_points->push_back(MountPointOf(line));
  }
  lines_ = std::move(now);
  return true;
}

}  // namespace vt::watch
