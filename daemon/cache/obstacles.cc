// SPDX-License-Identifier: Apache-2.0

#include "daemon/cache/obstacles.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <optional>

#include "daemon/base/status.h"
#include "daemon/base/unique_fd.h"
#include "daemon/cache/outputs.h"
#include "daemon/cache/places.h"
#include "daemon/fingerprint/observe.h"
#include "daemon/fingerprint/sha256.h"
#include "daemon/fingerprint/sink.h"

namespace vt::cache {
namespace {

using vtask::storage::v1::Deletion;
using vtask::storage::v1::Output;

mode_t TypeOf(const Output& output) {
  switch (output.type()) {
    case Output::FILE:
      return S_IFREG;
    case Output::SYMLINK:
      return S_IFLNK;
    case Output::DIRECTORY:
      return S_IFDIR;
    default:
      return 0;
  }
}

const char* Word(mode_t mode) {
  switch (mode & S_IFMT) {
    case S_IFREG:
      return "is a file";
    case S_IFLNK:
      return "is a link";
    case S_IFDIR:
      return "is a directory";
    default:
      return "is a device, pipe or socket";
  }
}

// Why `output` may not replace what has `status`; null: it may.
const char* Objection(const std::string& root, const Output& output,
                      const struct stat& status,
                      fingerprint::FileDigests* files) {
  if ((status.st_mode & S_IFMT) != TypeOf(output)) {
    return Word(status.st_mode);
  }
  if (output.type() == Output::SYMLINK) {
    return nullptr;  // only what replaces whatever is there replaces a link
  }
  if ((status.st_mode & 07777) != (output.mode() & 07777)) {
    return "has other permissions";
  }
  if (output.type() == Output::DIRECTORY) {
    return nullptr;
  }
  const bool is_shared = status.st_nlink > 1;
  if ((is_shared || status.st_uid != ::geteuid()) &&
      !HasContentOf(root, output.path(), output, files)) {
    return is_shared ? "has other names" : "belongs to somebody else";
  }
  return nullptr;
}

}  // namespace

std::vector<Obstacle> FindObstacles(const std::string& root,
                                    const vtask::storage::v1::Result& result,
                                    fingerprint::FileDigests* files) {
  std::vector<Obstacle> obstacles;
  Places places(root);
  if (!places.Open().ok()) {
    return obstacles;  // then nothing is there
  }
  const auto add = [&](std::string path, const char* text) {
    if (obstacles.empty() || obstacles.back().path != path) {
      obstacles.push_back({std::move(path), text});
    }
  };
  // False: the place cannot be reached, or nothing is there.
  const auto reach = [&](const std::string& path) {
    if (!IsInsidePath(path)) {
      return false;  // restoring it fails
    }
    const int error = places.Go(path, std::nullopt);
    if (error == ELOOP || error == ENOTDIR) {
      add(places.Blocker(path), "is not a directory");
    }
    return error == 0 && places.found().has_value();
  };
  for (const Output& output : result.outputs()) {
    if (!reach(output.path())) {
      continue;
    }
    if (const char* objection =
            Objection(root, output, *places.found(), files)) {
      add(output.path(), objection);
    }
  }
  for (const Deletion& deletion : result.deletions()) {
    reach(deletion.path());
  }
  return obstacles;
}

bool HasContentOf(const std::string& root, const std::string& path,
                  const Output& output, fingerprint::FileDigests* files) {
  const std::string name = fingerprint::AbsolutePath(root, path);
  if (files->Look(root, name, /*follow=*/false, /*want_content=*/false).size !=
      output.size()) {
    return false;
  }
  const fingerprint::FileState state =
      files->Look(root, name, /*follow=*/false, /*want_content=*/true);
  if (!state.content.has_value()) {
    return false;
  }
  const base::Digest wanted = output.blob().empty()
                                  ? fingerprint::Sha256(output.inline_data())
                                  : base::Digest::FromBytes(output.blob());
  if (!state.contains_root) {
    // Then nothing was replaced, and it is the digest of the bytes.
    return *state.content == wanted;
  }
  const base::UniqueFd fd(
      ::open(name.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
  if (!fd.is_valid()) {
    return false;
  }
  const absl::StatusOr<base::Digest> digest =
      fingerprint::Sha256OfFile(fd.get());
  return digest.ok() && *digest == wanted;
}

}  // namespace vt::cache
