// SPDX-License-Identifier: Apache-2.0

#include "daemon/cache/outputs.h"

#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "absl/strings/str_cat.h"

#include "daemon/base/file.h"
#include "daemon/base/file_clock.h"
#include "daemon/base/open_writers.h"
#include "daemon/base/path.h"
#include "daemon/base/status.h"
#include "daemon/base/unique_fd.h"
#include "daemon/cache/log_record.h"
#include "daemon/fingerprint/content.h"
#include "daemon/fingerprint/observe.h"
#include "daemon/fingerprint/sha256.h"
#include "daemon/fingerprint/sink.h"

namespace vt::cache {
namespace {

using fingerprint::FileDigests;
using fingerprint::Sighting;
using vtask::storage::v1::Output;

// A sparse file of terabytes would take hours.
constexpr off_t kMaxSize = off_t{1} << 30;
// From here on in pieces, so that many of them do not fill the memory.
constexpr off_t kLarge = off_t{1} << 20;

absl::StatusOr<std::string> ReadAll(int fd, size_t expected) {
  std::string bytes;
  bytes.resize(expected + 1);
  size_t filled = 0;
  while (true) {
    if (filled == bytes.size()) {
      bytes.resize(bytes.size() * 2);
    }
    const ssize_t n = ::read(fd, bytes.data() + filled, bytes.size() - filled);
    if (n == 0) {
      bytes.resize(filled);
      return bytes;
    }
    if (n > 0) {
      filled += static_cast<size_t>(n);
    } else if (errno != EINTR) {
      return base::ErrnoToStatus(errno, "reading it");
    }
  }
}

class Capture {
 public:
  Capture(const std::string& root, int64_t ended_file_clock_ns,
          const BlobStore& blobs, FileDigests* files)
      : root_(root),
        ended_ns_(ended_file_clock_ns),
        blobs_(blobs),
        files_(files) {}

  // ABORTED: it changes while we look.
  absl::Status Add(const std::string& path) {
    if (!IsInsidePath(path)) {
      return absl::InvalidArgumentError("it is not below the workspace root");
    }
    const std::string name = fingerprint::AbsolutePath(root_, path);
    struct stat st = {};
    if (::lstat(name.c_str(), &st) != 0) {
      return errno == ENOENT ? absl::AbortedError("it has vanished")
                             : base::ErrnoToStatus(errno, "looking at it");
    }
    if (!S_ISDIR(st.st_mode)) {
      VT_RETURN_IF_ERROR(CheckAge(st));
    }
    Output output;
    output.set_path(path);
    output.set_mode(st.st_mode & 07777);
    if (S_ISREG(st.st_mode)) {
      VT_RETURN_IF_ERROR(AddFile(name, &output));
    } else if (S_ISLNK(st.st_mode)) {
      VT_RETURN_IF_ERROR(AddLink(name, &output));
    } else if (S_ISDIR(st.st_mode)) {
      output.set_type(Output::DIRECTORY);
      captured.contents.emplace_back(path, fingerprint::DirectoryDigest());
    } else {
      return absl::OkStatus();
    }
    captured.outputs.push_back(std::move(output));
    return absl::OkStatus();
  }

  CapturedOutputs captured;

 private:
  // Not of a directory, where it says nothing: entries come and go. An equal
  // time may be the task's own, on kernels that stamp with the tick.
  absl::Status CheckAge(const struct stat& status) const {
    if (ended_ns_ != 0 && base::ToNs(status.st_ctim) > ended_ns_) {
      return absl::AbortedError("it was changed after the task had ended");
    }
    return absl::OkStatus();
  }

  absl::Status AddLink(const std::string& name, Output* output) {
    std::string text(PATH_MAX, '\0');
    const ssize_t n = ::readlink(name.c_str(), text.data(), text.size());
    if (n < 0) {
      return base::ErrnoToStatus(errno, "reading the link");
    }
    text.resize(static_cast<size_t>(n));
    // Another one may have taken its place since it was looked at.
    struct stat now = {};
    if (::lstat(name.c_str(), &now) != 0) {
      return absl::AbortedError("it has vanished");
    }
    VT_RETURN_IF_ERROR(CheckAge(now));
    captured.names_root =
        captured.names_root || fingerprint::NamesRoot(root_, text);
    captured.contents.emplace_back(output->path(),
                                   fingerprint::LinkDigest(root_, text));
    output->set_type(Output::SYMLINK);
    output->set_mode(0);
    output->set_link(std::move(text));
    return absl::OkStatus();
  }

  absl::Status AddFile(const std::string& name, Output* output) {
    base::UniqueFd fd(
        ::open(name.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
    if (!fd.is_valid()) {
      return base::ErrnoToStatus(errno, "opening it");
    }
    Sighting seen;
    if (!fingerprint::See(fd.get(), &seen)) {
      return base::ErrnoToStatus(errno, "looking at it");
    }
    // What is open now need not be what was looked at before.
    VT_RETURN_IF_ERROR(CheckAge(seen.status));
    const off_t size = seen.status.st_size;
    if (size > kMaxSize) {
      return absl::OutOfRangeError("it is larger than 1 GiB");
    }
    if (size > kLarge) {
      return AddLargeFile(name, fd.get(), seen, output);
    }
    VT_ASSIGN_OR_RETURN(const std::string bytes,
                        ReadAll(fd.get(), static_cast<size_t>(size)));
    if (!IsAtRest(fd.get(), seen)) {
      return absl::AbortedError("it was still being written");
    }

    bool contains_root = false;
    const base::Digest content =
        FileDigests::ContentDigest(root_, bytes, &contains_root);
    captured.names_root =
        captured.names_root || fingerprint::NamesRoot(root_, bytes);
    NoteFile(name, seen, content, contains_root, output);
    output->set_size(bytes.size());
    if (bytes.size() <= kInlineLimit) {
      output->set_inline_data(bytes);
      return absl::OkStatus();
    }
    const base::Digest digest =
        contains_root ? fingerprint::Sha256(bytes) : content;
    output->set_blob(std::string(digest.AsBytes()));
    return blobs_.Put(digest, bytes);
  }

  // Once it is read. Who has it open may have mapped it: what is written
  // through a mapping changes no time until the page has been cleaned.
  static bool IsAtRest(int fd, const Sighting& seen) {
    return base::FindOpenWriters(fd) != base::OpenWriters::kSome &&
           fingerprint::IsAsSeen(fd, seen);
  }

  // A file whose content is known and has not changed meanwhile.
  void NoteFile(const std::string& name, const Sighting& seen,
                const base::Digest& content, bool contains_root,
                Output* output) {
    captured.names_root = captured.names_root || contains_root;
    captured.contents.emplace_back(output->path(), content);
    files_->Remember(root_, name, seen, content, contains_root);
    output->set_type(Output::FILE);
    output->set_mode(seen.status.st_mode & 07777);
  }

  // Looks first, and stores then: most often the blob is there already.
  absl::Status AddLargeFile(const std::string& name, int fd,
                            const Sighting& seen, Output* output) {
    fingerprint::ContentHasher hasher(root_);
    fingerprint::RootFinder finder(root_);
    VT_RETURN_IF_ERROR(base::ReadPieces(fd, [&](absl::string_view piece) {
      hasher.Update(piece);
      finder.Update(piece);
      return absl::OkStatus();
    }));
    const base::Digest content = hasher.Finish();
    base::Digest digest = content;
    if (hasher.contains_root()) {
      ::lseek(fd, 0, SEEK_SET);
      VT_ASSIGN_OR_RETURN(digest, fingerprint::Sha256OfFile(fd));
    }
    const auto size = static_cast<uint64_t>(seen.status.st_size);
    VT_RETURN_IF_ERROR(blobs_.PutFile(digest, fd, size));
    if (!IsAtRest(fd, seen)) {
      return absl::AbortedError("it was still being written");
    }
    captured.names_root = captured.names_root || finder.found();
    NoteFile(name, seen, content, hasher.contains_root(), output);
    output->set_size(size);
    output->set_blob(std::string(digest.AsBytes()));
    return absl::OkStatus();
  }

  const std::string& root_;
  const int64_t ended_ns_;
  const BlobStore& blobs_;
  FileDigests* files_;
};

}  // namespace

bool IsInsidePath(const std::string& path) {
  return !path.empty() && path[0] != '/' && base::NormalizePath(path) == path &&
         path != ".." && path.compare(0, 3, "../") != 0 &&
         path.find('\0') == std::string::npos;
}

absl::StatusOr<CapturedOutputs> CaptureOutputs(
    const std::string& root, const std::vector<std::string>& paths,
    int64_t ended_file_clock_ns, const BlobStore& blobs, FileDigests* files,
    std::string* failed_path) {
  std::vector<std::string> sorted = paths;
  std::sort(sorted.begin(), sorted.end());
  sorted.erase(std::unique(sorted.begin(), sorted.end()), sorted.end());
  Capture capture(root, ended_file_clock_ns, blobs, files);
  for (const std::string& path : sorted) {
    if (path.empty()) {
      continue;  // the root is there anyhow
    }
    const absl::Status added = capture.Add(path);
    if (!added.ok()) {
      *failed_path = path;
      return base::Annotate(added, absl::StrCat("output '", path, "'"));
    }
  }
  return std::move(capture.captured);
}

}  // namespace vt::cache
