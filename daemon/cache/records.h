// SPDX-License-Identifier: Apache-2.0
//
// The shared records of the action cache: how they are found, and how a store
// or a hit changes them (docs/CACHE_FORMAT.md, "Tables").

#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"

#include "daemon/base/digest.h"
#include "daemon/base/status.h"
#include "daemon/cache/action_cache.h"
#include "daemon/store/database.h"
#include "vtask/storage/v1/storage.pb.h"

namespace vt::cache {

// False if `bytes` is no Message.
template <typename Message>
bool ParseRecord(absl::string_view bytes, Message* message) {
  return message->ParseFromArray(bytes.data(), static_cast<int>(bytes.size()));
}

// NOT_FOUND; DATA_LOSS if it does not parse.
template <typename Message>
absl::Status LoadInto(const store::Database& database, store::Table table,
                      absl::string_view key, Message* message) {
  VT_ASSIGN_OR_RETURN(const std::string bytes, database.Get(table, key));
  return ParseRecord(bytes, message)
             ? absl::OkStatus()
             : absl::DataLossError("a record does not parse");
}
template <typename Message>
absl::StatusOr<Message> LoadRecord(const store::Database& database,
                                   store::Table table, absl::string_view key) {
  Message message;
  VT_RETURN_IF_ERROR(LoadInto(database, table, key, &message));
  return message;
}

// Keys of kPositions: the last result of a position, or of a weak fingerprint.
std::string PositionKey(const std::string& root, const std::string& position);
std::string LastOfWeakKey(const base::Digest& weak);

// The result of `strong` that is valid in `root`. Errors as LoadRecord.
absl::Status LoadResult(const store::Database& database,
                        const base::Digest& strong, const std::string& root,
                        vtask::storage::v1::Result* result);
// Any result of `strong`, were it bound to another root.
absl::StatusOr<vtask::storage::v1::Result> LoadAnyResult(
    const store::Database& database, const base::Digest& strong,
    const std::string& root);

bool IsOwnOutput(const store::Database& database, const base::Digest& weak,
                 const std::string& path, const base::Digest& content);
bool IsOwnMode(const store::Database& database, const base::Digest& weak,
               const std::string& path, uint32_t mode);

// An output that the action made itself (decisions H4).
struct OwnOutput {
  std::string path;
  base::Digest content;
  // Of a directory, and of a file whose permissions did not depend on what
  // stood there before.
  std::optional<uint32_t> mode;
};

// These read a record, change it, and put it into `batch` if it is news. The
// caller keeps others from doing so before the batch is written.
// The last result of the position of `key`, and that of its weak fingerprint.
void PutLast(const store::Database& database, const ActionKey& key,
             const base::Digest& weak, const base::Digest& strong,
             int64_t duration_us, store::Batch* batch);
// Moves `path_set` to the front.
void PutWeak(const store::Database& database, const base::Digest& weak,
             const std::string& path_set, absl::Time now, store::Batch* batch);
void PutOwnOutputs(const store::Database& database, const base::Digest& weak,
                   const std::vector<OwnOutput>& outputs, store::Batch* batch);

}  // namespace vt::cache
