// SPDX-License-Identifier: Apache-2.0
//
// Takes the outputs of a finished action from disk into blobs and records.

#pragma once

#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"

#include "daemon/base/digest.h"
#include "daemon/cache/blob_store.h"
#include "daemon/fingerprint/file_digests.h"
#include "vtask/storage/v1/storage.pb.h"

namespace vt::cache {

struct CapturedOutputs {
  std::vector<vtask::storage::v1::Output> outputs;  // sorted by path
  // Path and content digest (of a link: link digest), for OwnOutputs.
  std::vector<std::pair<std::string, base::Digest>> contents;
  bool names_root = false;
};

// Reads and stores the outputs at `paths` (relative to `root`). Sockets, pipes
// and devices are left out. Blocking.
//
// Errors: ABORTED if one of them changes meanwhile, or has changed since
// `ended_file_clock_ns` (0: not known); others as errno. Then
// `*failed_path` is the one.
absl::StatusOr<CapturedOutputs> CaptureOutputs(
    const std::string& root, const std::vector<std::string>& paths,
    int64_t ended_file_clock_ns, const BlobStore& blobs,
    fingerprint::FileDigests* files, std::string* failed_path);

// Whether `path` stays below the root: relative, without "." and "..".
bool IsInsidePath(const std::string& path);

}  // namespace vt::cache
