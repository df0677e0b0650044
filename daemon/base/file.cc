// SPDX-License-Identifier: Apache-2.0

#include "daemon/base/file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdio>
#include <memory>

#include "absl/strings/str_cat.h"

#include "daemon/base/consulted.h"
#include "daemon/base/path.h"
#include "daemon/base/status.h"
#include "daemon/base/unique_fd.h"

namespace vt::base {

absl::StatusOr<std::string> ReadFile(absl::string_view path) {
  const std::string name(path);
  UniqueFd fd(::open(name.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd.is_valid()) {
    const int error = errno;
    NoteConsulted(path, /*follows=*/true);
    return ErrnoToStatus(error, absl::StrCat("opening `", path, "`"));
  }
  std::string content;
  struct stat st = {};
  if (::fstat(fd.get(), &st) == 0 && st.st_size > 0) {
    content.reserve(static_cast<size_t>(st.st_size));
  }
  NoteConsulted(path, /*follows=*/true, st.st_nlink > 1);
  char buffer[65536];
  while (true) {
    const ssize_t n = ::read(fd.get(), buffer, sizeof buffer);
    if (n == 0) {
      return content;
    }
    if (n > 0) {
      content.append(buffer, static_cast<size_t>(n));
    } else if (errno != EINTR) {
      return ErrnoToStatus(errno, absl::StrCat("reading `", path, "`"));
    }
  }
}

absl::Status ReadPieces(
    int fd, const std::function<absl::Status(absl::string_view)>& take) {
  // Most files are small: with room for them, and to see that they end.
  struct stat st = {};
  const bool is_small = ::fstat(fd, &st) == 0 && S_ISREG(st.st_mode) &&
                        static_cast<uint64_t>(st.st_size) < kPieceSize;
  const size_t size =
      is_small ? static_cast<size_t>(st.st_size) + 1 : kPieceSize;
  const auto buffer = std::make_unique_for_overwrite<char[]>(size);
  size_t filled = 0;
  while (true) {
    const ssize_t n = ::read(fd, buffer.get() + filled, size - filled);
    if (n < 0 && errno != EINTR) {
      return ErrnoToStatus(errno, "read");
    }
    filled += n > 0 ? static_cast<size_t>(n) : 0;
    if (filled > 0 && (filled == size || n == 0)) {
      VT_RETURN_IF_ERROR(take(absl::string_view(buffer.get(), filled)));
      filled = 0;
    }
    if (n == 0) {
      return absl::OkStatus();
    }
  }
}

absl::Status WriteAll(int fd, absl::string_view data) {
  while (!data.empty()) {
    const ssize_t n = ::write(fd, data.data(), data.size());
    if (n >= 0) {
      data.remove_prefix(static_cast<size_t>(n));
    } else if (errno != EINTR) {
      return ErrnoToStatus(errno, "write");
    }
  }
  return absl::OkStatus();
}

absl::Status WriteFileAtomic(absl::string_view path, absl::string_view data,
                             mode_t mode) {
  static std::atomic<uint64_t> counter{0};
  const std::string name(path);
  const std::string temporary =
      absl::StrCat(path, ".vt", ::getpid(), ".", counter.fetch_add(1));
  UniqueFd fd(
      ::open(temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode));
  if (!fd.is_valid()) {
    return ErrnoToStatus(errno, absl::StrCat("creating `", temporary, "`"));
  }
  absl::Status written = WriteAll(fd.get(), data);
  // Beyond the umask: the caller said which bits it wants.
  if (written.ok() && ::fchmod(fd.get(), mode) != 0) {
    written = ErrnoToStatus(errno, "fchmod");
  }
  if (written.ok() && ::rename(temporary.c_str(), name.c_str()) != 0) {
    written = ErrnoToStatus(errno, "rename");
  }
  if (!written.ok()) {
    ::unlink(temporary.c_str());
    return Annotate(written, absl::StrCat("writing `", path, "`"));
  }
  return absl::OkStatus();
}

absl::Status MakeDirectories(absl::string_view path, mode_t mode) {
  const std::string name(path);
  if (::mkdir(name.c_str(), mode) == 0) {
    return absl::OkStatus();
  }
  if (errno == EEXIST) {
    struct stat st = {};
    if (::stat(name.c_str(), &st) == 0 && S_ISDIR(st.st_mode)) {
      return absl::OkStatus();
    }
    return ErrnoToStatus(ENOTDIR, absl::StrCat("creating `", path, "`"));
  }
  const absl::string_view parent = Dirname(path);
  if (errno != ENOENT || parent.empty() || parent == path) {
    return ErrnoToStatus(errno, absl::StrCat("creating `", path, "`"));
  }
  VT_RETURN_IF_ERROR(MakeDirectories(parent, mode));
  if (::mkdir(name.c_str(), mode) != 0 && errno != EEXIST) {
    return ErrnoToStatus(errno, absl::StrCat("creating `", path, "`"));
  }
  return absl::OkStatus();
}

}  // namespace vt::base
