// SPDX-License-Identifier: Apache-2.0
//
// BlobStore: bytes by their SHA-256, one file each (docs/CACHE_FORMAT.md,
// "Blobs"). Written under a temporary name and renamed, so a blob is there
// whole or not at all; verified whenever it is read.

#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "absl/functional/function_ref.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"

#include "daemon/base/digest.h"
#include "daemon/cache/blob_codec.h"
#include "daemon/cache/in_use.h"

namespace vt::cache {

// Thread-safe. Blocking.
class BlobStore {
 public:
  // Uses `directory`/blobs and `directory`/tmp, which it creates; what a dead
  // daemon left in tmp is removed.
  static absl::StatusOr<BlobStore> Open(const std::string& directory);

  // The same store, for one result: pins what is put (see InUse). `pins`
  // outlives it.
  BlobStore For(InUse::Pins* pins) const;

  // Makes sure that `bytes`, whose SHA-256 is `digest`, are stored. Errors as
  // errno; RESOURCE_EXHAUSTED for a full disk.
  absl::Status Put(const base::Digest& digest, absl::string_view bytes) const;

  // DATA_LOSS if it is lost or damaged. A damaged one is removed, so that the
  // next Put heals it.
  absl::StatusOr<std::string> Get(const base::Digest& digest) const;

  // The same for large contents, in bounded memory. Put takes the `size` bytes
  // of the file `fd`; ABORTED if they are not those of `digest`. After an error
  // of Copy what `sink` got may be wrong.
  absl::Status PutFile(const base::Digest& digest, int fd, uint64_t size) const;
  absl::Status Copy(const base::Digest& digest, const BlobSink& sink) const;

  // Removes all of them.
  absl::Status Clear() const;

  // Calls `visit` for every blob file until it returns false, in no order.
  // `size` is that of the file. Blobs that come or go meanwhile may be missed.
  void Walk(const std::function<bool(const base::Digest& digest,
                                     uint64_t size)>& visit) const;
  // A store that makes one of them at this moment makes it once more.
  void RemoveEmptyFolders() const;
  // Whether it is there, and what its name says. Touches nothing. `go_on` is
  // asked after each piece; false ends it with CANCELLED.
  absl::StatusOr<bool> IsGood(const base::Digest& digest,
                              absl::FunctionRef<bool()> go_on) const;
  // What is not there is removed already.
  void Remove(const base::Digest& digest) const;
  // Moves it to `directory`/quarantine. False: it could not, and is removed.
  bool Quarantine(const base::Digest& digest) const;
  std::string QuarantineDirectory() const;
  uint64_t CountQuarantined() const;
  // Removes what nobody has touched since `before`: half-written files that no
  // store will finish, and what was put in quarantine.
  void RemoveStray(absl::Time tmp_before, absl::Time quarantine_before) const;

 private:
  explicit BlobStore(std::string directory)
      : directory_(std::move(directory)) {}
  std::string PathOf(const base::Digest& digest) const;
  // As Copy, but leaves a damaged one where it is, and tells.
  absl::Status Read(const base::Digest& digest, const BlobSink& sink,
                    bool* is_damaged) const;
  // Whether `path`, that of `digest`, is there. Pins it first: see InUse.
  bool PinAndLook(const base::Digest& digest, const std::string& path) const;

  std::string directory_;
  InUse::Pins* pins_ = nullptr;
};

}  // namespace vt::cache
