// SPDX-License-Identifier: Apache-2.0
//
// BlobStore: bytes by their SHA-256, one file each (docs/CACHE_FORMAT.md,
// "Blobs"). Written under a temporary name and renamed, so a blob is there
// whole or not at all; verified whenever it is read.

#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

#include "daemon/base/digest.h"

namespace vt::cache {

// Thread-safe. Blocking.
class BlobStore {
 public:
  // Uses `directory`/blobs and `directory`/tmp, which it creates; what a dead
  // daemon left in tmp is removed.
  static absl::StatusOr<BlobStore> Open(const std::string& directory);

  // Makes sure that `bytes`, whose SHA-256 is `digest`, are stored. Errors as
  // errno; RESOURCE_EXHAUSTED for a full disk.
  absl::Status Put(const base::Digest& digest, absl::string_view bytes) const;

  // DATA_LOSS if it is lost or damaged. A damaged one is removed, so that the
  // next Put heals it.
  absl::StatusOr<std::string> Get(const base::Digest& digest) const;

  // Removes all of them.
  absl::Status Clear() const;

 private:
  explicit BlobStore(std::string directory)
      : directory_(std::move(directory)) {}
  std::string PathOf(const base::Digest& digest) const;

  std::string directory_;
};

}  // namespace vt::cache
