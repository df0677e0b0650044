// SPDX-License-Identifier: Apache-2.0

#include "daemon/lifecycle/directories.h"

#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <cerrno>

#include "absl/strings/str_cat.h"

#include "daemon/base/file.h"
#include "daemon/base/status.h"

namespace vt::lifecycle {
namespace {

absl::Status Check(const std::string& path, const struct stat& facts) {
  if (!S_ISDIR(facts.st_mode)) {
    return absl::FailedPreconditionError(
        absl::StrCat("`", path, "` is not a directory"));
  }
  if (facts.st_uid != ::geteuid()) {
    return absl::FailedPreconditionError(
        absl::StrCat("`", path, "` belongs to user ", facts.st_uid, ", not ",
                     ::geteuid(), ": name another directory"));
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status PrepareOwnDirectory(const std::string& path) {
  VT_RETURN_IF_ERROR(base::MakeDirectories(path, 0700));
  struct stat facts = {};
  if (::stat(path.c_str(), &facts) != 0) {
    return base::ErrnoToStatus(errno, absl::StrCat("stat `", path, "`"));
  }
  return Check(path, facts);
}

absl::Status PrepareRuntimeDirectory(const std::string& path) {
  VT_RETURN_IF_ERROR(base::MakeDirectories(path, 0700));
  struct stat facts = {};
  if (::lstat(path.c_str(), &facts) != 0) {
    return base::ErrnoToStatus(errno, absl::StrCat("stat `", path, "`"));
  }
  VT_RETURN_IF_ERROR(Check(path, facts));
  if ((facts.st_mode & 077) != 0 && ::chmod(path.c_str(), 0700) != 0) {
    return base::ErrnoToStatus(errno, absl::StrCat("chmod 0700 `", path, "`"));
  }
  return absl::OkStatus();
}

std::string NetworkFileSystem(const std::string& path) {
  struct statfs facts = {};
  if (::statfs(path.c_str(), &facts) != 0) {
    return "";
  }
  // Numbers from statfs(2) and linux/magic.h, which has not all of them.
  switch (static_cast<unsigned long>(facts.f_type)) {
    case 0x6969:
      return "NFS";
    case 0x517B:
      return "SMB";
    case 0xFF534D42:
      return "CIFS";
    case 0xFE534D42:
      return "SMB2";
    case 0x65735546:
      return "FUSE";
    case 0x01021997:
      return "9p";
    case 0x5346414F:
      return "AFS";
    case 0x00C36400:
      return "Ceph";
    case 0x73757245:
      return "Coda";
    case 0x7461636F:
      return "OCFS2";
    case 0x01161970:
      return "GFS2";
    case 0x0BD00BD0:
      return "Lustre";
    default:
      return "";
  }
}

}  // namespace vt::lifecycle
