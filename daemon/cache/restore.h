// SPDX-License-Identifier: Apache-2.0
//
// Makes files on disk equal to the outputs of a result.

#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

#include "absl/status/status.h"

#include "daemon/cache/blob_store.h"
#include "daemon/cache/staging_record.h"
#include "daemon/fingerprint/file_digests.h"
#include "vtask/storage/v1/storage.pb.h"

namespace vt::cache {

struct RestoreTarget {
  std::string root;    // absolute
  mode_t umask = 022;  // for directories that nobody recorded
};

// See ActionCache::Restore. Every directory on the way must be a real one below
// the root: what a symbolic link hides is never written. FAILED_PRECONDITION if
// something is in the way (cache/obstacles.h): then nothing was touched.
// Directories that it makes appear when all is in them. Blocking.
absl::Status RestoreOutputs(const RestoreTarget& target,
                            const vtask::storage::v1::Result& result,
                            const BlobStore& blobs,
                            fingerprint::FileDigests* files,
                            StagingRecord* staged,
                            std::vector<std::string>* notes);

}  // namespace vt::cache
