// SPDX-License-Identifier: Apache-2.0

#include "daemon/cache/temporaries.h"

#include <dirent.h>
#include <fcntl.h>
#include <unistd.h>

#include <atomic>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <system_error>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"

#include "daemon/base/process_stat.h"
#include "daemon/fingerprint/observe.h"

namespace vt::cache {
namespace {

// When process `pid` was started; 0: there is none.
uint64_t StartOf(pid_t pid) {
  const auto stat = base::ReadProcessStat(pid);
  return stat.has_value() ? stat->start : 0;
}

}  // namespace

bool IsDeadTemporary(absl::string_view name) {
  if (!absl::ConsumePrefix(&name, fingerprint::kTemporaryPrefix)) {
    return false;
  }
  const std::vector<absl::string_view> parts = absl::StrSplit(name, '-');
  pid_t pid = 0;
  uint64_t start = 0;
  uint64_t number = 0;
  return parts.size() == 3 && absl::SimpleAtoi(parts[0], &pid) &&
         absl::SimpleAtoi(parts[1], &start) &&
         absl::SimpleAtoi(parts[2], &number) && start != 0 &&
         StartOf(pid) != start;
}

std::string TemporaryName() {
  static const uint64_t start = StartOf(::getpid());
  static std::atomic<uint64_t> counter{0};
  return absl::StrCat(fingerprint::kTemporaryPrefix, ::getpid(), "-", start,
                      "-", counter.fetch_add(1));
}

void RemoveTemporary(int directory, const std::string& name) {
  if (::unlinkat(directory, name.c_str(), 0) == 0) {
    return;
  }
  // By the descriptor: what it is open for may have been moved.
  std::error_code ignored;
  std::filesystem::remove_all(
      absl::StrCat("/proc/self/fd/", directory, "/", name), ignored);
}

void RemoveDeadTemporaries(int directory) {
  // Opened anew: a copy would share its position with other threads.
  const int fd = ::openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  DIR* const entries = fd < 0 ? nullptr : ::fdopendir(fd);
  if (entries == nullptr) {
    if (fd >= 0) {
      ::close(fd);
    }
    return;
  }
  std::vector<std::string> dead;
  while (const dirent* entry = ::readdir(entries)) {
    if (IsDeadTemporary(entry->d_name)) {
      dead.emplace_back(entry->d_name);
    }
  }
  for (const std::string& name : dead) {
    RemoveTemporary(fd, name);
  }
  ::closedir(entries);
}

}  // namespace vt::cache
