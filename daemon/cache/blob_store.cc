// SPDX-License-Identifier: Apache-2.0

#include "daemon/cache/blob_store.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <optional>
#include <system_error>

#include "absl/functional/function_ref.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

#include "daemon/base/file.h"
#include "daemon/base/status.h"
#include "daemon/base/unique_fd.h"
#include "daemon/fingerprint/sha256.h"
#include "daemon/fingerprint/sink.h"

namespace vt::cache {
namespace {

std::string TemporaryName() {
  static std::atomic<uint64_t> counter{0};
  return absl::StrCat(::getpid(), ".", counter.fetch_add(1));
}

// The file is gone if that fails.
absl::Status WriteTemporary(const std::string& path, absl::string_view bytes) {
  const base::UniqueFd fd(
      ::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
  if (!fd.is_valid()) {
    return base::ErrnoToStatus(errno, absl::StrCat("creating `", path, "`"));
  }
  absl::Status written = base::WriteAll(fd.get(), bytes);
  if (!written.ok()) {
    ::unlink(path.c_str());
  }
  return written;
}

// Renames a finished blob file; it is gone if that fails.
absl::Status PutInPlace(const std::string& temporary, const std::string& path) {
  if (::rename(temporary.c_str(), path.c_str()) == 0) {
    return absl::OkStatus();
  }
  int error = errno;
  if (error == ENOENT) {
    VT_RETURN_IF_ERROR(
        base::MakeDirectories(path.substr(0, path.rfind('/')), 0700));
    if (::rename(temporary.c_str(), path.c_str()) == 0) {
      return absl::OkStatus();
    }
    error = errno;
  }
  ::unlink(temporary.c_str());
  return base::ErrnoToStatus(error, absl::StrCat("creating `", path, "`"));
}

// Calls `visit` for each regular file in `folder` until it returns false. A
// folder that is not there is empty.
void ForEachFile(
    const std::string& folder,
    absl::FunctionRef<bool(const char* name, const struct stat& st)> visit) {
  DIR* const directory = ::opendir(folder.c_str());
  if (directory == nullptr) {
    return;
  }
  while (const dirent* entry = ::readdir(directory)) {
    struct stat st = {};
    if (::fstatat(::dirfd(directory), entry->d_name, &st,
                  AT_SYMLINK_NOFOLLOW) == 0 &&
        S_ISREG(st.st_mode) && !visit(entry->d_name, st)) {
      break;
    }
  }
  ::closedir(directory);
}

absl::Status RemoveBelow(const std::string& directory) {
  std::error_code error;
  std::filesystem::remove_all(directory, error);
  if (error) {
    return base::ErrnoToStatus(error.value(),
                               absl::StrCat("emptying `", directory, "`"));
  }
  return base::MakeDirectories(directory, 0700);
}

}  // namespace

absl::StatusOr<BlobStore> BlobStore::Open(const std::string& directory) {
  VT_RETURN_IF_ERROR(
      base::MakeDirectories(absl::StrCat(directory, "/blobs"), 0700));
  VT_RETURN_IF_ERROR(RemoveBelow(absl::StrCat(directory, "/tmp")));
  return BlobStore(directory);
}

std::string BlobStore::PathOf(const base::Digest& digest) const {
  const std::string hex = digest.ToHex();
  return absl::StrCat(directory_, "/blobs/", hex.substr(0, 2), "/",
                      hex.substr(2));
}

BlobStore BlobStore::For(InUse::Pins* pins) const {
  BlobStore copy = *this;
  copy.pins_ = pins;
  return copy;
}

bool BlobStore::PinAndLook(const base::Digest& digest,
                           const std::string& path) const {
  if (pins_ != nullptr) {
    pins_->Add(digest);
  }
  struct stat st = {};
  return ::stat(path.c_str(), &st) == 0 && st.st_size > 0;
}

absl::Status BlobStore::Put(const base::Digest& digest,
                            absl::string_view bytes) const {
  const std::string path = PathOf(digest);
  if (PinAndLook(digest, path)) {
    return absl::OkStatus();
  }
  const std::string temporary =
      absl::StrCat(directory_, "/tmp/", TemporaryName());
  const std::string file = EncodeBlob(bytes);
  VT_RETURN_IF_ERROR(WriteTemporary(temporary, file));
  if (pins_ != nullptr) {
    pins_->NoteWritten(file.size());
  }
  return PutInPlace(temporary, path);
}

absl::StatusOr<std::string> BlobStore::Get(const base::Digest& digest) const {
  std::string bytes;
  VT_RETURN_IF_ERROR(Copy(digest, [&](absl::string_view piece) {
    bytes.append(piece.data(), piece.size());
    return absl::OkStatus();
  }));
  return bytes;
}

absl::Status BlobStore::PutFile(const base::Digest& digest, int fd,
                                uint64_t size) const {
  const std::string path = PathOf(digest);
  if (PinAndLook(digest, path)) {
    return absl::OkStatus();
  }
  const std::string temporary =
      absl::StrCat(directory_, "/tmp/", TemporaryName());
  base::UniqueFd to(
      ::open(temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
  if (!to.is_valid()) {
    return base::ErrnoToStatus(errno, absl::StrCat("creating `", path, "`"));
  }
  const absl::StatusOr<base::Digest> encoded =
      ::lseek(fd, 0, SEEK_SET) == 0
          ? EncodeBlob(fd, size, to.get())
          : base::ErrnoToStatus(errno, "reading it again");
  absl::Status status = encoded.status();
  if (encoded.ok()) {
    struct stat st = {};
    if (pins_ != nullptr && ::fstat(to.get(), &st) == 0) {
      pins_->NoteWritten(static_cast<uint64_t>(st.st_size));
    }
    status = *encoded == digest ? PutInPlace(temporary, path)
                                : absl::AbortedError("it changes");
  }
  if (!status.ok()) {
    ::unlink(temporary.c_str());
  }
  return status;
}

absl::Status BlobStore::Copy(const base::Digest& digest,
                             const BlobSink& sink) const {
  bool is_damaged = false;
  absl::Status status = Read(digest, sink, &is_damaged);
  if (is_damaged) {
    Remove(digest);
  }
  return status;
}

absl::Status BlobStore::Read(const base::Digest& digest, const BlobSink& sink,
                             bool* is_damaged) const {
  const std::string path = PathOf(digest);
  const base::UniqueFd fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!fd.is_valid()) {
    return absl::DataLossError(absl::StrCat("lost blob: opening `", path,
                                            "`: ", std::strerror(errno)));
  }
  fingerprint::Sha256Hasher hasher;
  absl::Status sunk;
  const absl::Status status =
      DecodeBlob(fd.get(), [&](absl::string_view piece) {
        hasher.Update(piece);
        sunk = sink(piece);
        return sunk;
      });
  VT_RETURN_IF_ERROR(sunk);
  if (!status.ok() && !absl::IsDataLoss(status)) {
    // The disk may give it another time.
    return absl::DataLossError(
        absl::StrCat("lost blob: reading `", path, "`: ", status.message()));
  }
  *is_damaged = !status.ok() || hasher.Finish() != digest;
  return *is_damaged
             ? absl::DataLossError(absl::StrCat("damaged blob `", path, "`"))
             : absl::OkStatus();
}

absl::Status BlobStore::Clear() const {
  return RemoveBelow(absl::StrCat(directory_, "/blobs"));
}

void BlobStore::Walk(
    const std::function<bool(const base::Digest&, uint64_t)>& visit) const {
  bool go_on = true;
  for (int first = 0; first < 256 && go_on; ++first) {
    const std::string prefix = absl::StrFormat("%02x", first);
    const std::string folder = absl::StrCat(directory_, "/blobs/", prefix);
    ForEachFile(folder, [&](const char* name, const struct stat& st) {
      const std::optional<base::Digest> digest =
          base::Digest::FromHex(absl::StrCat(prefix, name));
      if (digest.has_value()) {
        go_on = visit(*digest, static_cast<uint64_t>(st.st_size));
      }
      return go_on;
    });
  }
}

void BlobStore::RemoveEmptyFolders() const {
  for (int first = 0; first < 256; ++first) {
    ::rmdir(absl::StrFormat("%s/blobs/%02x", directory_, first).c_str());
  }
}

absl::StatusOr<bool> BlobStore::IsGood(const base::Digest& digest,
                                       absl::FunctionRef<bool()> go_on) const {
  bool is_damaged = false;
  const absl::Status status = Read(
      digest,
      [&](absl::string_view) {
        return go_on() ? absl::OkStatus() : absl::CancelledError("cancelled");
      },
      &is_damaged);
  if (absl::IsCancelled(status)) {
    return status;
  }
  return status.ok();
}

void BlobStore::Remove(const base::Digest& digest) const {
  ::unlink(PathOf(digest).c_str());
}

std::string BlobStore::QuarantineDirectory() const {
  return absl::StrCat(directory_, "/quarantine");
}

uint64_t BlobStore::CountQuarantined() const {
  uint64_t count = 0;
  ForEachFile(QuarantineDirectory(), [&](const char*, const struct stat&) {
    ++count;
    return true;
  });
  return count;
}

bool BlobStore::Quarantine(const base::Digest& digest) const {
  const std::string from = PathOf(digest);
  const std::string to =
      absl::StrCat(QuarantineDirectory(), "/blob-", digest.ToHex());
  if (base::MakeDirectories(QuarantineDirectory(), 0700).ok() &&
      ::rename(from.c_str(), to.c_str()) == 0) {
    return true;
  }
  ::unlink(from.c_str());
  return false;
}

void BlobStore::RemoveStray(absl::Time tmp_before,
                            absl::Time quarantine_before) const {
  const auto remove_old = [](const std::string& folder, absl::Time before) {
    ForEachFile(folder, [&](const char* name, const struct stat& st) {
      // ctime: a rename into the quarantine leaves mtime alone.
      if (absl::TimeFromTimespec(st.st_ctim) < before) {
        ::unlink(absl::StrCat(folder, "/", name).c_str());
      }
      return true;
    });
  };
  remove_old(absl::StrCat(directory_, "/tmp"), tmp_before);
  remove_old(QuarantineDirectory(), quarantine_before);
}

}  // namespace vt::cache
