// SPDX-License-Identifier: Apache-2.0

#include "daemon/track/file_identity.h"

namespace vt::track {
namespace {

bool SameTime(const timespec& a, const timespec& b) {
  return a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec;
}

}  // namespace

FileIdentity FileIdentity::Of(const struct stat& status) {
  return {status.st_dev,  status.st_ino,
          status.st_mode, static_cast<uint64_t>(status.st_size),
          status.st_mtim, status.st_ctim};
}

std::optional<FileIdentity> LookAt(const std::string& path) {
  struct stat status;
  if (::lstat(path.c_str(), &status) != 0) {
    return std::nullopt;
  }
  return FileIdentity::Of(status);
}

bool SameFile(const FileIdentity& a, const FileIdentity& b) {
  return a.device == b.device && a.inode == b.inode &&
         (a.mode & S_IFMT) == (b.mode & S_IFMT);
}

bool SameContent(const FileIdentity& a, const FileIdentity& b) {
  return SameFile(a, b) && a.size == b.size && SameTime(a.mtime, b.mtime);
}

bool SameIdentity(const FileIdentity& a, const FileIdentity& b) {
  return SameContent(a, b) && a.mode == b.mode && SameTime(a.ctime, b.ctime);
}

}  // namespace vt::track
