// SPDX-License-Identifier: Apache-2.0
//
// The terminal output of an action, in and out of its Result.

#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"

#include "daemon/cache/blob_store.h"
#include "vtask/storage/v1/storage.pb.h"

namespace vt::cache {

// Bytes up to this many are kept in the record instead of a blob. A guess
// (stack.md 5.5): an inode and a rename cost more than that in the table.
inline constexpr size_t kInlineLimit = 1024;

// Puts `chunks` into `result`, in the record or as a blob.
absl::Status StoreLog(const std::vector<vtask::storage::v1::LogChunk>& chunks,
                      const BlobStore& blobs,
                      vtask::storage::v1::Result* result);

// DATA_LOSS if it is lost or damaged.
absl::StatusOr<std::vector<vtask::storage::v1::LogChunk>> LoadLog(
    const vtask::storage::v1::Result& result, const BlobStore& blobs);

// Whether it names `root`, also across chunks of one stream.
bool LogNamesRoot(const std::vector<vtask::storage::v1::LogChunk>& chunks,
                  const std::string& root);

}  // namespace vt::cache
