// SPDX-License-Identifier: Apache-2.0
//
// StagingRecord: which directories are being staged (staging.h), in a file of
// the cache, so that a daemon that is killed meanwhile leaves none for long:
// the next one removes them when it opens the cache.

#pragma once

#include <cstdint>
#include <string>

#include "absl/base/thread_annotations.h"

#include "daemon/base/mutex.h"
#include "daemon/base/unique_fd.h"

namespace vt::cache {

// Thread-safe. Blocking. Errors are nobody's: what is not recorded stays until
// something is restored beside it (temporaries.h).
class StagingRecord {
 public:
  // Of the cache in `directory`, which nobody else has open. Removes what the
  // record names and a living process does not own, and begins it anew.
  explicit StagingRecord(const std::string& directory);
  StagingRecord(const StagingRecord&) = delete;
  StagingRecord& operator=(const StagingRecord&) = delete;

  // The temporary at absolute `path` is about to be made. 1 us.
  void Begin(const std::string& path);
  // `count` of those have their names, or are gone.
  void End(uint64_t count);

 private:
  base::Mutex mutex_;
  base::UniqueFd file_ ABSL_GUARDED_BY(mutex_);
  uint64_t size_ ABSL_GUARDED_BY(mutex_) = 0;  // of the file, bytes
  uint64_t live_ ABSL_GUARDED_BY(mutex_) = 0;  // begun and not ended
};

}  // namespace vt::cache
