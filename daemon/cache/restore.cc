// SPDX-License-Identifier: Apache-2.0
//
// All work is relative to directory descriptors that openat2(2) resolved
// without symbolic links and without leaving the root. A rename of a directory
// under our feet can therefore misplace a file, but never let one escape.

#include "daemon/cache/restore.h"

#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdio>

#include "absl/strings/str_cat.h"

#include "daemon/base/file.h"
#include "daemon/base/path.h"
#include "daemon/base/status.h"
#include "daemon/base/unique_fd.h"
#include "daemon/cache/outputs.h"
#include "daemon/fingerprint/observe.h"
#include "daemon/fingerprint/sink.h"

namespace vt::cache {
namespace {

using vtask::storage::v1::Deletion;
using vtask::storage::v1::Output;
using vtask::storage::v1::Result;
using vtask::storage::v1::Value;

std::string TemporaryName() {
  static std::atomic<uint64_t> counter{0};
  return absl::StrCat(fingerprint::kTemporaryPrefix, ::getpid(), "-",
                      counter.fetch_add(1));
}

absl::Status Failed(int error, absl::string_view what,
                    const std::string& path) {
  return base::ErrnoToStatus(error, absl::StrCat(what, " '", path, "'"));
}

class Restorer {
 public:
  Restorer(const std::string& root, const BlobStore& blobs,
           fingerprint::FileDigests* files)
      : root_(root),
        blobs_(blobs),
        files_(files) {}

  absl::Status Open() {
    root_fd_.Reset(::open(root_.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
    return root_fd_.is_valid() ? absl::OkStatus()
                               : Failed(errno, "opening", root_);
  }

  absl::Status Restore(const Output& output) {
    if (!IsInsidePath(output.path())) {
      return absl::FailedPreconditionError(absl::StrCat(
          "refusing to restore '", output.path(), "' outside the workspace"));
    }
    VT_RETURN_IF_ERROR(EnterParent(output.path(), /*create=*/true));
    name_ = std::string(base::Basename(output.path()));
    path_ = output.path();
    has_old_ = ::fstatat(parent_.get(), name_.c_str(), &old_,
                         AT_SYMLINK_NOFOLLOW) == 0;
    switch (output.type()) {
      case Output::FILE:
        return RestoreFile(output);
      case Output::SYMLINK:
        return RestoreLink(output);
      case Output::DIRECTORY:
        return RestoreDirectory(output);
      default:
        return absl::DataLossError(
            absl::StrCat("'", output.path(), "' has an unknown type"));
    }
  }

  // Last, and from the bottom up: a directory may be read-only.
  absl::Status SetDirectoryModes() {
    for (auto it = directories_.rbegin(); it != directories_.rend(); ++it) {
      VT_RETURN_IF_ERROR(EnterParent(it->first, /*create=*/false));
      const std::string name(base::Basename(it->first));
      if (::fchmodat(parent_.get(), name.c_str(), it->second, 0) != 0) {
        return Failed(errno, "changing the mode of", it->first);
      }
    }
    return absl::OkStatus();
  }

  // Decisions H5.
  void Delete(const Deletion& deletion, std::vector<std::string>* notes) {
    const std::string& path = deletion.path();
    if (!IsInsidePath(path) || deletion.content_digest().empty() ||
        !EnterParent(path, /*create=*/false).ok()) {
      return;
    }
    const std::string name(base::Basename(path));
    const fingerprint::FileState state =
        files_->Look(root_, fingerprint::AbsolutePath(root_, path),
                     /*follow=*/false, /*want_content=*/true);
    if (state.type == Value::MISSING) {
      return;
    }
    if (!state.content.has_value() ||
        state.content->AsBytes() !=
            absl::string_view(deletion.content_digest())) {
      notes->push_back(absl::StrCat("left '", path,
                                    "': the task deletes it, but its content "
                                    "is not the one that was deleted"));
      return;
    }
    if (::unlinkat(parent_.get(), name.c_str(), 0) != 0 && errno != ENOENT) {
      notes->push_back(absl::StrCat("'", path, "' could not be deleted"));
    }
  }

 private:
  static int OpenBeneath(int directory, const std::string& path) {
    struct open_how how = {};
    how.flags = O_PATH | O_DIRECTORY | O_CLOEXEC;
    how.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS;
    return static_cast<int>(
        ::syscall(SYS_openat2, directory, path.c_str(), &how, sizeof how));
  }

  // Makes parent_ the directory that holds relative `path`.
  absl::Status EnterParent(const std::string& path, bool create) {
    const std::string directory(base::Dirname(path));
    if (parent_.is_valid() && directory == parent_path_) {
      return absl::OkStatus();
    }
    parent_path_ = directory;
    parent_.Reset(
        OpenBeneath(root_fd_.get(), directory.empty() ? "." : directory));
    if (parent_.is_valid()) {
      return absl::OkStatus();
    }
    if (errno == ENOENT && create) {
      // One level up is a real directory when this returns.
      VT_RETURN_IF_ERROR(EnterParent(directory, create));
      const std::string name(base::Basename(directory));
      if (::mkdirat(parent_.get(), name.c_str(), 0755) != 0 &&
          errno != EEXIST) {
        return Failed(errno, "creating", directory);
      }
      parent_.Reset(OpenBeneath(parent_.get(), name));
      parent_path_ = directory;
      if (parent_.is_valid()) {
        return absl::OkStatus();
      }
    }
    const int error = errno;
    parent_.Reset();
    return Failed(error, "entering", directory);
  }

  // What is in the way must go; but never a directory with something in it.
  absl::Status RemoveOldDirectory() {
    if (has_old_ && S_ISDIR(old_.st_mode) &&
        ::unlinkat(parent_.get(), name_.c_str(), AT_REMOVEDIR) != 0) {
      return Failed(errno, "replacing the directory", path_);
    }
    return absl::OkStatus();
  }

  absl::Status Rename(const std::string& temporary) {
    if (::renameat(parent_.get(), temporary.c_str(), parent_.get(),
                   name_.c_str()) == 0) {
      return absl::OkStatus();
    }
    const int error = errno;
    ::unlinkat(parent_.get(), temporary.c_str(), 0);
    return Failed(error, "replacing", path_);
  }

  bool HasContent(const base::Digest& wanted, uint64_t size) {
    if (static_cast<uint64_t>(old_.st_size) != size) {
      return false;
    }
    const std::string name = fingerprint::AbsolutePath(root_, path_);
    const fingerprint::FileState state =
        files_->Look(root_, name, /*follow=*/false, /*want_content=*/true);
    if (!state.content.has_value()) {
      return false;
    }
    if (!state.contains_root) {
      // Then nothing was replaced, and it is the digest of the bytes.
      return *state.content == wanted;
    }
    const absl::StatusOr<std::string> bytes = base::ReadFile(name);
    return bytes.ok() && fingerprint::Sha256(*bytes) == wanted;
  }

  absl::Status RestoreFile(const Output& output) {
    const mode_t mode = output.mode() & 07777;
    const bool is_inline = output.blob().empty();
    const base::Digest wanted = is_inline
                                    ? fingerprint::Sha256(output.inline_data())
                                    : base::Digest::FromBytes(output.blob());
    if (has_old_ && S_ISREG(old_.st_mode) &&
        HasContent(wanted, output.size())) {
      if ((old_.st_mode & 07777) != mode &&
          ::fchmodat(parent_.get(), name_.c_str(), mode, 0) != 0) {
        return Failed(errno, "changing the mode of", path_);
      }
      return absl::OkStatus();
    }

    std::string bytes = output.inline_data();
    if (!is_inline) {
      VT_ASSIGN_OR_RETURN(bytes, blobs_.Get(wanted));
    }
    if (bytes.size() != output.size()) {
      return absl::DataLossError(absl::StrCat("'", path_, "' is damaged"));
    }
    return WriteFile(bytes, mode);
  }

  absl::Status WriteFile(const std::string& bytes, mode_t mode) {
    VT_RETURN_IF_ERROR(RemoveOldDirectory());
    const std::string temporary = TemporaryName();
    base::UniqueFd fd(::openat(parent_.get(), temporary.c_str(),
                               O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
    if (!fd.is_valid()) {
      return Failed(errno, "creating", path_);
    }
    absl::Status written = base::WriteAll(fd.get(), bytes);
    if (written.ok() && ::fchmod(fd.get(), mode) != 0) {
      written = base::ErrnoToStatus(errno, "fchmod");
    }
    if (!written.ok()) {
      ::unlinkat(parent_.get(), temporary.c_str(), 0);
      return base::Annotate(written, absl::StrCat("writing '", path_, "'"));
    }
    return Rename(temporary);
  }

  absl::Status RestoreLink(const Output& output) {
    std::string text(PATH_MAX, '\0');
    const ssize_t n =
        ::readlinkat(parent_.get(), name_.c_str(), text.data(), text.size());
    if (n >= 0 && text.compare(0, static_cast<size_t>(n), output.link()) == 0) {
      return absl::OkStatus();
    }
    VT_RETURN_IF_ERROR(RemoveOldDirectory());
    const std::string temporary = TemporaryName();
    if (::symlinkat(output.link().c_str(), parent_.get(), temporary.c_str()) !=
        0) {
      return Failed(errno, "linking", path_);
    }
    return Rename(temporary);
  }

  absl::Status RestoreDirectory(const Output& output) {
    const mode_t mode = output.mode() & 07777;
    if (has_old_ && S_ISDIR(old_.st_mode)) {
      if ((old_.st_mode & 07777) != mode) {
        directories_.emplace_back(path_, mode);
      }
      return absl::OkStatus();
    }
    if (has_old_ && ::unlinkat(parent_.get(), name_.c_str(), 0) != 0) {
      return Failed(errno, "replacing", path_);
    }
    if (::mkdirat(parent_.get(), name_.c_str(), 0700) != 0) {
      return Failed(errno, "creating", path_);
    }
    directories_.emplace_back(path_, mode);
    return absl::OkStatus();
  }

  const std::string& root_;
  const BlobStore& blobs_;
  fingerprint::FileDigests* files_;
  base::UniqueFd root_fd_;
  // The directory of the path at hand, and that path.
  base::UniqueFd parent_;
  std::string parent_path_;
  std::string name_;
  std::string path_;
  bool has_old_ = false;
  struct stat old_ = {};
  std::vector<std::pair<std::string, mode_t>> directories_;
};

}  // namespace

absl::Status RestoreOutputs(const std::string& root, const Result& result,
                            const BlobStore& blobs,
                            fingerprint::FileDigests* files,
                            std::vector<std::string>* notes) {
  Restorer restorer(root, blobs, files);
  VT_RETURN_IF_ERROR(restorer.Open());
  for (const Output& output : result.outputs()) {
    VT_RETURN_IF_ERROR(restorer.Restore(output));
  }
  // Not before all outputs are there: should one fail, the action runs, and
  // what it deletes (`mv source output`) may be what it reads.
  for (const Deletion& deletion : result.deletions()) {
    restorer.Delete(deletion, notes);
  }
  return restorer.SetDirectoryModes();
}

}  // namespace vt::cache
