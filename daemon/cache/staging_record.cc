// SPDX-License-Identifier: Apache-2.0

#include "daemon/cache/staging_record.h"

#include <fcntl.h>
#include <unistd.h>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"

#include "daemon/base/file.h"
#include "daemon/base/path.h"
#include "daemon/cache/temporaries.h"

namespace vt::cache {
namespace {

// When nothing is staged it is emptied, if it is larger.
constexpr uint64_t kLarge = 64 << 10;

void RemoveLeft(const std::string& record) {
  // Each path ends with a zero byte: it may have any other.
  for (const absl::string_view path : absl::StrSplit(record, '\0')) {
    if (!IsDeadTemporary(base::Basename(path))) {
      continue;
    }
    const std::string directory(base::Dirname(path));
    const base::UniqueFd fd(
        ::open(directory.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
    if (fd.is_valid()) {
      RemoveTemporary(fd.get(), std::string(base::Basename(path)));
    }
  }
}

}  // namespace

StagingRecord::StagingRecord(const std::string& directory) {
  const std::string name = absl::StrCat(directory, "/staged");
  if (const absl::StatusOr<std::string> left = base::ReadFile(name);
      left.ok()) {
    RemoveLeft(*left);
  }
  const base::MutexLock lock(&mutex_);
  file_.Reset(::open(
      name.c_str(),
      O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600));
}

void StagingRecord::Begin(const std::string& path) {
  const base::MutexLock lock(&mutex_);
  ++live_;
  // With its end: as one write it is whole, or not there.
  const std::string line = absl::StrCat(path, absl::string_view("\0", 1));
  if (file_.is_valid() && ::write(file_.get(), line.data(), line.size()) > 0) {
    size_ += line.size();
  }
}

void StagingRecord::End(uint64_t count) {
  const base::MutexLock lock(&mutex_);
  live_ -= count;
  if (live_ == 0 && size_ > kLarge && ::ftruncate(file_.get(), 0) == 0) {
    size_ = 0;
  }
}

}  // namespace vt::cache
