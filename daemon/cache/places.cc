// SPDX-License-Identifier: Apache-2.0

#include "daemon/cache/places.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>

#include "absl/strings/str_cat.h"

#include "daemon/base/consulted.h"
#include "daemon/base/path.h"
#include "daemon/base/status.h"

namespace vt::cache {
namespace {

int OpenBeneath(int directory, const std::string& path) {
  struct open_how how = {};
  how.flags = O_PATH | O_DIRECTORY | O_CLOEXEC;
  how.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS;
  return static_cast<int>(
      ::syscall(SYS_openat2, directory, path.c_str(), &how, sizeof how));
}

// As mkdir(2) would have: what it took from the directory above stays.
void SetMode(int directory, const std::string& name, mode_t mode) {
  struct stat status = {};
  if (::fstatat(directory, name.c_str(), &status, AT_SYMLINK_NOFOLLOW) == 0) {
    mode |= status.st_mode & S_ISGID;
  }
  ::fchmodat(directory, name.c_str(), mode, 0);
}

}  // namespace

absl::Status Places::Open() {
  root_fd_.Reset(::open(root_.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  return root_fd_.is_valid() ? absl::OkStatus()
                             : PlaceError(errno, "opening", root_);
}

int Places::Go(const std::string& path, const std::string& at,
               std::optional<mode_t> new_mode) {
  if (const int error = EnterParent(at, new_mode); error != 0) {
    base::NoteConsulted(base::JoinPath(root_, path), /*follows=*/false);
    return error;
  }
  name_ = std::string(base::Basename(at));
  struct stat status = {};
  int error = 0;
  found_.reset();
  if (::fstatat(parent_.get(), name_.c_str(), &status, AT_SYMLINK_NOFOLLOW) ==
      0) {
    found_ = status;
  } else if (errno != ENOENT) {
    error = errno;
  }
  base::NoteConsulted(
      base::JoinPath(root_, path), /*follows=*/false,
      found_.has_value() && S_ISREG(found_->st_mode) && found_->st_nlink > 1);
  return error;
}

int Places::EnterParent(const std::string& path,
                        std::optional<mode_t> new_mode) {
  const std::string directory(base::Dirname(path));
  if (directory == parent_path_ &&
      (parent_.is_valid() ||
       (parent_error_ != 0 && !(parent_error_ == ENOENT && new_mode)))) {
    return parent_error_;
  }
  parent_path_ = directory;
  parent_error_ = 0;
  parent_.Reset(
      OpenBeneath(root_fd_.get(), directory.empty() ? "." : directory));
  if (parent_.is_valid()) {
    return 0;
  }
  int error = errno;
  if (error == ENOENT && new_mode.has_value()) {
    // One level up is a real directory when this returns.
    error = EnterParent(directory, new_mode);
    if (error != 0) {
      return error;
    }
    const std::string name(base::Basename(directory));
    if (::mkdirat(parent_.get(), name.c_str(), 0700) == 0) {
      SetMode(parent_.get(), name, *new_mode);
    } else if (errno != EEXIST) {
      return errno;
    }
    parent_.Reset(OpenBeneath(parent_.get(), name));
    parent_path_ = directory;
    error = parent_.is_valid() ? 0 : errno;
  }
  parent_error_ = error;
  return error;
}

std::string Places::Blocker(const std::string& path) const {
  for (size_t at = path.find('/'); at != std::string::npos;
       at = path.find('/', at + 1)) {
    std::string directory = path.substr(0, at);
    struct stat status = {};
    if (::fstatat(root_fd_.get(), directory.c_str(), &status,
                  AT_SYMLINK_NOFOLLOW) == 0 &&
        !S_ISDIR(status.st_mode)) {
      return directory;
    }
  }
  return path;
}

absl::Status PlaceError(int error, absl::string_view what,
                        const std::string& path) {
  return base::ErrnoToStatus(error, absl::StrCat(what, " '", path, "'"));
}

}  // namespace vt::cache
