// SPDX-License-Identifier: Apache-2.0

#include "daemon/cache/log_record.h"

#include "daemon/base/status.h"
#include "daemon/fingerprint/file_digests.h"
#include "daemon/fingerprint/sink.h"

namespace vt::cache {

using vtask::storage::v1::Log;
using vtask::storage::v1::LogChunk;
using vtask::storage::v1::Result;

absl::Status StoreLog(const std::vector<LogChunk>& chunks,
                      const BlobStore& blobs, Result* result) {
  Log log;
  for (const LogChunk& chunk : chunks) {
    *log.add_chunks() = chunk;
  }
  const std::string bytes = log.SerializeAsString();
  if (bytes.size() <= kInlineLimit) {
    result->set_log_inline(bytes);
    return absl::OkStatus();
  }
  const base::Digest digest = fingerprint::Sha256(bytes);
  VT_RETURN_IF_ERROR(blobs.Put(digest, bytes));
  result->set_log_blob(std::string(digest.AsBytes()));
  return absl::OkStatus();
}

absl::StatusOr<std::vector<LogChunk>> LoadLog(const Result& result,
                                              const BlobStore& blobs) {
  std::string bytes = result.log_inline();
  if (!result.log_blob().empty()) {
    VT_ASSIGN_OR_RETURN(bytes,
                        blobs.Get(base::Digest::FromBytes(result.log_blob())));
  }
  Log log;
  if (!log.ParseFromString(bytes)) {
    return absl::DataLossError("the recorded output does not parse");
  }
  return std::vector<LogChunk>(log.chunks().begin(), log.chunks().end());
}

bool LogNamesRoot(const std::vector<LogChunk>& chunks,
                  const std::string& root) {
  std::string streams[2];
  for (const LogChunk& chunk : chunks) {
    streams[chunk.is_stderr() ? 1 : 0] += chunk.data();
  }
  return fingerprint::NamesRoot(root, streams[0]) ||
         fingerprint::NamesRoot(root, streams[1]);
}

}  // namespace vt::cache
