// SPDX-License-Identifier: Apache-2.0
//
#include "daemon/cache/restore.h"

#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdio>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"

#include "daemon/base/file.h"
#include "daemon/base/status.h"
#include "daemon/base/unique_fd.h"
#include "daemon/cache/obstacles.h"
#include "daemon/cache/outputs.h"
#include "daemon/cache/places.h"
#include "daemon/fingerprint/observe.h"

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

class Restorer {
 public:
  Restorer(const RestoreTarget& target, const BlobStore& blobs,
           fingerprint::FileDigests* files)
      : target_(target),
        blobs_(blobs),
        files_(files),
        places_(target.root) {}

  absl::Status Open() { return places_.Open(); }

  absl::Status Restore(const Output& output) {
    VT_RETURN_IF_ERROR(Go(output.path(), /*new_mode=*/0777 & ~target_.umask));
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
      VT_RETURN_IF_ERROR(Go(it->first, std::nullopt));
      if (::fchmodat(places_.directory(), places_.name().c_str(), it->second,
                     0) != 0) {
        return PlaceError(errno, "changing the mode of", it->first);
      }
    }
    return absl::OkStatus();
  }

  // Decisions H5.
  void Delete(const Deletion& deletion, std::vector<std::string>* notes) {
    const std::string& path = deletion.path();
    if (deletion.content_digest().empty() || !Go(path, std::nullopt).ok() ||
        !places_.found().has_value()) {
      return;
    }
    const fingerprint::FileState state = files_->Look(
        target_.root, fingerprint::AbsolutePath(target_.root, path),
        /*follow=*/false, /*want_content=*/true);
    if (!state.content.has_value() ||
        state.content->AsBytes() !=
            absl::string_view(deletion.content_digest())) {
      notes->push_back(absl::StrCat("left '", path,
                                    "': the task deletes it, but its content "
                                    "is not the one that was deleted"));
      return;
    }
    if (::unlinkat(places_.directory(), places_.name().c_str(), 0) != 0 &&
        errno != ENOENT) {
      notes->push_back(absl::StrCat("'", path, "' could not be deleted"));
    }
  }

 private:
  absl::Status Go(const std::string& path, std::optional<mode_t> new_mode) {
    if (!IsInsidePath(path)) {
      return absl::FailedPreconditionError(absl::StrCat(
          "refusing to restore '", path, "' outside the workspace"));
    }
    path_ = path;
    const int error = places_.Go(path, new_mode);
    return error == 0 ? absl::OkStatus()
                      : PlaceError(error, "entering the directory of", path);
  }

  // The last line of defence: FindObstacles has looked, but a moment ago.
  absl::Status MustBe(mode_t type) const {
    if (places_.found().has_value() &&
        (places_.found()->st_mode & S_IFMT) != type) {
      return absl::FailedPreconditionError(
          absl::StrCat("something else stands at '", path_, "'"));
    }
    return absl::OkStatus();
  }

  // Replaces only what was found there.
  absl::Status Rename(const std::string& temporary) {
    const int directory = places_.directory();
    const char* const name = places_.name().c_str();
    unsigned flags = places_.found().has_value() ? 0 : RENAME_NOREPLACE;
    int result =
        ::renameat2(directory, temporary.c_str(), directory, name, flags);
    if (result != 0 && flags != 0 && errno == EINVAL) {
      // A file system that knows no flags.
      result = ::renameat(directory, temporary.c_str(), directory, name);
    }
    if (result == 0) {
      return absl::OkStatus();
    }
    const int error = errno;
    ::unlinkat(directory, temporary.c_str(), 0);
    return PlaceError(error, "replacing", path_);
  }

  absl::Status RestoreFile(const Output& output) {
    VT_RETURN_IF_ERROR(MustBe(S_IFREG));
    const mode_t mode = output.mode() & 07777;
    if (places_.found().has_value() &&
        HasContentOf(target_.root, path_, output, files_)) {
      return absl::OkStatus();
    }
    std::string bytes = output.inline_data();
    if (!output.blob().empty()) {
      VT_ASSIGN_OR_RETURN(bytes,
                          blobs_.Get(base::Digest::FromBytes(output.blob())));
    }
    if (bytes.size() != output.size()) {
      return absl::DataLossError(absl::StrCat("'", path_, "' is damaged"));
    }
    return WriteFile(bytes, mode);
  }

  absl::Status WriteFile(const std::string& bytes, mode_t mode) {
    const std::string temporary = TemporaryName();
    const int directory = places_.directory();
    base::UniqueFd fd(::openat(directory, temporary.c_str(),
                               O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
    if (!fd.is_valid()) {
      return PlaceError(errno, "creating", path_);
    }
    absl::Status written = base::WriteAll(fd.get(), bytes);
    if (written.ok() && ::fchmod(fd.get(), mode) != 0) {
      written = base::ErrnoToStatus(errno, "fchmod");
    }
    if (!written.ok()) {
      ::unlinkat(directory, temporary.c_str(), 0);
      return base::Annotate(written, absl::StrCat("writing '", path_, "'"));
    }
    return Rename(temporary);
  }

  absl::Status RestoreLink(const Output& output) {
    VT_RETURN_IF_ERROR(MustBe(S_IFLNK));
    const int directory = places_.directory();
    std::string text(PATH_MAX, '\0');
    const ssize_t n = ::readlinkat(directory, places_.name().c_str(),
                                   text.data(), text.size());
    if (n >= 0 && text.compare(0, static_cast<size_t>(n), output.link()) == 0) {
      return absl::OkStatus();
    }
    const std::string temporary = TemporaryName();
    if (::symlinkat(output.link().c_str(), directory, temporary.c_str()) != 0) {
      return PlaceError(errno, "linking", path_);
    }
    return Rename(temporary);
  }

  absl::Status RestoreDirectory(const Output& output) {
    VT_RETURN_IF_ERROR(MustBe(S_IFDIR));
    if (places_.found().has_value()) {
      return absl::OkStatus();
    }
    if (::mkdirat(places_.directory(), places_.name().c_str(), 0700) != 0) {
      return PlaceError(errno, "creating", path_);
    }
    directories_.emplace_back(path_, output.mode() & 07777);
    return absl::OkStatus();
  }

  const RestoreTarget& target_;
  const BlobStore& blobs_;
  fingerprint::FileDigests* files_;
  Places places_;
  std::string path_;
  std::vector<std::pair<std::string, mode_t>> directories_;
};

}  // namespace

absl::Status RestoreOutputs(const RestoreTarget& target, const Result& result,
                            const BlobStore& blobs,
                            fingerprint::FileDigests* files,
                            std::vector<std::string>* notes) {
  // Before anything is touched.
  if (const std::vector<Obstacle> obstacles =
          FindObstacles(target.root, result, files);
      !obstacles.empty()) {
    return absl::FailedPreconditionError(absl::StrCat(
        "'", obstacles.front().path, "' ", obstacles.front().text));
  }
  Restorer restorer(target, blobs, files);
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
