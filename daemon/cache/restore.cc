// SPDX-License-Identifier: Apache-2.0

#include "daemon/cache/restore.h"

#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstdio>
#include <optional>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"

#include "daemon/base/file.h"
#include "daemon/base/mutex.h"
#include "daemon/base/parallel.h"
#include "daemon/base/path.h"
#include "daemon/base/status.h"
#include "daemon/base/unique_fd.h"
#include "daemon/cache/obstacles.h"
#include "daemon/cache/outputs.h"
#include "daemon/cache/places.h"
#include "daemon/cache/staging.h"
#include "daemon/cache/temporaries.h"
#include "daemon/fingerprint/content.h"
#include "daemon/fingerprint/observe.h"
#include "daemon/fingerprint/sighting.h"
#include "daemon/fingerprint/sink.h"

namespace vt::cache {
namespace {

using vtask::storage::v1::Deletion;
using vtask::storage::v1::Output;
using vtask::storage::v1::Result;
using vtask::storage::v1::Value;

class Restorer {
 public:
  // `places` and `staging` outlive this.
  Restorer(const RestoreTarget& target, const BlobStore& blobs,
           fingerprint::FileDigests* files, Places* places, Staging* staging)
      : target_(target),
        blobs_(blobs),
        files_(files),
        places_(*places),
        staging_(*staging) {}

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
  struct Written {
    base::Digest digest;  // content digest
    bool contains_root = false;
  };

  absl::Status Go(const std::string& path, std::optional<mode_t> new_mode) {
    if (!IsInsidePath(path)) {
      return absl::FailedPreconditionError(absl::StrCat(
          "refusing to restore '", path, "' outside the workspace"));
    }
    path_ = path;
    const std::string at = staging_.At(path);
    is_staged_ = at != path;
    const int error = places_.Go(path, at, new_mode);
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

  // Where something is written, a daemon may have been killed before.
  std::string NewTemporary() {
    std::string directory(base::Dirname(path_));
    if (!tidied_.has_value() || *tidied_ != directory) {
      RemoveDeadTemporaries(places_.directory());
      tidied_ = std::move(directory);
    }
    return TemporaryName();
  }

  // Under which name to make what is to be at path_. In a directory that is
  // staged nobody sees it before it is done.
  std::string NewName() { return is_staged_ ? places_.name() : NewTemporary(); }

  // Once it is done. Replaces only what was found there.
  absl::Status Finish(const std::string& new_name) {
    if (is_staged_) {
      return absl::OkStatus();
    }
    const int error =
        RenameTemporary(places_.directory(), new_name, places_.name(),
                        /*may_replace=*/places_.found().has_value());
    if (error == 0) {
      return absl::OkStatus();
    }
    RemoveTemporary(places_.directory(), new_name);
    return PlaceError(error, "replacing", path_);
  }

  absl::Status RestoreFile(const Output& output) {
    VT_RETURN_IF_ERROR(MustBe(S_IFREG));
    if (places_.found().has_value() &&
        HasContentOf(target_.root, path_, output, files_)) {
      return absl::OkStatus();
    }
    return WriteFile(output);
  }

  absl::Status WriteFile(const Output& output) {
    const std::string name = NewName();
    const int directory = places_.directory();
    base::UniqueFd fd(::openat(directory, name.c_str(),
                               O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
    if (!fd.is_valid()) {
      return PlaceError(errno, "creating", path_);
    }
    std::optional<Written> content;
    absl::Status written = Fill(output, fd.get(), &content);
    if (written.ok() && ::fchmod(fd.get(), output.mode() & 07777) != 0) {
      written = base::ErrnoToStatus(errno, "fchmod");
    }
    struct stat before = {};
    if (written.ok() && ::fstat(fd.get(), &before) != 0) {
      written = base::ErrnoToStatus(errno, "fstat");
    }
    if (!written.ok()) {
      ::unlinkat(directory, name.c_str(), 0);
      return base::Annotate(written, absl::StrCat("writing '", path_, "'"));
    }
    VT_RETURN_IF_ERROR(Finish(name));
    if (content.has_value()) {
      Remember(fd.get(), before, *content);
    }
    return absl::OkStatus();
  }

  // Who looks at it next, most likely a dependent, need not read it. Before the
  // renaming, `before`, nobody else could reach the file; if it has the same
  // time of modification after that, nobody had begun to change it.
  void Remember(int fd, const struct stat& before, const Written& content) {
    fingerprint::Sighting seen;
    if (::fstat(fd, &seen.status) != 0) {
      return;
    }
    const fingerprint::Identity was = fingerprint::IdentityOf(before);
    const fingerprint::Identity is = fingerprint::IdentityOf(seen.status);
    seen.is_final = is.inode == was.inode && is.size == was.size &&
                    is.mtime_ns == was.mtime_ns &&
                    fingerprint::HasStampForEachChange(fd, seen.status);
    files_->Remember(target_.root,
                     fingerprint::AbsolutePath(target_.root, path_), seen,
                     content.digest, content.contains_root);
  }

  // Tells the `content` of what comes in one piece.
  absl::Status Fill(const Output& output, int fd,
                    std::optional<Written>* content) {
    const base::Digest plain = output.blob().empty()
                                   ? fingerprint::Sha256(output.inline_data())
                                   : base::Digest::FromBytes(output.blob());
    uint64_t size = 0;
    const auto write = [&](absl::string_view piece) {
      size += piece.size();
      if (piece.size() == output.size()) {
        Written& all = content->emplace();
        all.digest = fingerprint::ContentDigestOf(target_.root, piece, plain,
                                                  &all.contains_root);
      }
      return base::WriteAll(fd, piece);
    };
    VT_RETURN_IF_ERROR(output.blob().empty() ? write(output.inline_data())
                                             : blobs_.Copy(plain, write));
    return size == output.size() ? absl::OkStatus()
                                 : absl::DataLossError("it is damaged");
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
    const std::string name = NewName();
    if (::symlinkat(output.link().c_str(), directory, name.c_str()) != 0) {
      return PlaceError(errno, "linking", path_);
    }
    return Finish(name);
  }

  absl::Status RestoreDirectory(const Output& output) {
    VT_RETURN_IF_ERROR(MustBe(S_IFDIR));
    if (places_.found().has_value()) {
      return absl::OkStatus();
    }
    // Beside its place, so that it is never seen with another mode, were we
    // killed here: that would be an obstacle ever after.
    const std::string name = NewName();
    const int directory = places_.directory();
    const mode_t mode = output.mode() & 07777;
    if (!is_staged_) {
      staging_.Add(path_, name);
    }
    if (::mkdirat(directory, name.c_str(), 0700) != 0 ||
        ::fchmodat(directory, name.c_str(), mode | 0700, 0) != 0) {
      return PlaceError(errno, "creating", path_);
    }
    if ((mode & 0700) != 0700) {
      directories_.emplace_back(path_, mode);
    }
    return absl::OkStatus();
  }

  const RestoreTarget& target_;
  const BlobStore& blobs_;
  fingerprint::FileDigests* files_;
  Places& places_;
  Staging& staging_;
  std::string path_;
  bool is_staged_ = false;             // path_: its directory is
  std::optional<std::string> tidied_;  // the directory of the last output
  std::vector<std::pair<std::string, mode_t>> directories_;
};

// Restores `outputs`, none of which is a directory: few by `restorer`, many by
// several threads. The first error, in no order, ends it.
absl::Status RestoreMany(const RestoreTarget& target,
                         const std::vector<const Output*>& outputs,
                         const BlobStore& blobs,
                         fingerprint::FileDigests* files, Staging* staging,
                         Restorer* restorer) {
  // Fewer are not worth a thread.
  constexpr size_t kMany = 64;
  // Neighbours are in the same directory.
  constexpr size_t kAtOnce = 16;
  if (outputs.size() < kMany) {
    for (const Output* output : outputs) {
      VT_RETURN_IF_ERROR(restorer->Restore(*output));
    }
    return absl::OkStatus();
  }
  std::atomic<bool> failed{false};
  base::Mutex mutex;
  absl::Status first_error;
  base::ParallelFor(outputs.size(), kAtOnce, [&](size_t from, size_t to) {
    Places places(target.root);
    Restorer helper(target, blobs, files, &places, staging);
    absl::Status status = places.Open();
    for (size_t i = from; status.ok() && i < to && !failed; ++i) {
      status = helper.Restore(*outputs[i]);
    }
    if (!status.ok()) {
      failed = true;
      const base::MutexLock lock(&mutex);
      first_error.Update(status);
    }
  });
  return first_error;
}

// On a file system that does not tell `A` from `a` the one has replaced the
// other.
absl::Status CheckCase(const std::string& root, const Result& result) {
  absl::flat_hash_map<std::string, const Output*> seen;
  for (const Output& output : result.outputs()) {
    const auto [other, is_new] =
        seen.emplace(absl::AsciiStrToLower(output.path()), &output);
    if (is_new) {
      continue;
    }
    const std::string a = fingerprint::AbsolutePath(root, output.path());
    const std::string b =
        fingerprint::AbsolutePath(root, other->second->path());
    struct stat x = {};
    struct stat y = {};
    if (::lstat(a.c_str(), &x) != 0 || ::lstat(b.c_str(), &y) != 0 ||
        (x.st_dev == y.st_dev && x.st_ino == y.st_ino)) {
      return absl::FailedPreconditionError(
          absl::StrCat("'", output.path(), "' and '", other->second->path(),
                       "' are one here: the file system does not heed case"));
    }
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status RestoreOutputs(const RestoreTarget& target, const Result& result,
                            const BlobStore& blobs,
                            fingerprint::FileDigests* files,
                            StagingRecord* staged,
                            std::vector<std::string>* notes) {
  // Before anything is touched.
  if (const std::vector<Obstacle> obstacles =
          FindObstacles(target.root, result, files);
      !obstacles.empty()) {
    return absl::FailedPreconditionError(absl::StrCat(
        "'", obstacles.front().path, "' ", obstacles.front().text));
  }
  Places places(target.root);
  VT_RETURN_IF_ERROR(places.Open());
  Staging staging(target.root, &places, staged);
  Restorer restorer(target, blobs, files, &places, &staging);
  std::vector<const Output*> others;
  for (const Output& output : result.outputs()) {
    if (output.type() == Output::DIRECTORY) {
      VT_RETURN_IF_ERROR(restorer.Restore(output));
    } else {
      others.push_back(&output);
    }
  }
  VT_RETURN_IF_ERROR(
      RestoreMany(target, others, blobs, files, &staging, &restorer));
  VT_RETURN_IF_ERROR(staging.Commit());
  VT_RETURN_IF_ERROR(CheckCase(target.root, result));
  // Not before all outputs are there: should one fail, the action runs, and
  // what it deletes (`mv source output`) may be what it reads.
  for (const Deletion& deletion : result.deletions()) {
    restorer.Delete(deletion, notes);
  }
  return restorer.SetDirectoryModes();
}

}  // namespace vt::cache
