// SPDX-License-Identifier: Apache-2.0

#include "daemon/cache/durations.h"

#include <cstddef>

#include "absl/strings/str_cat.h"

namespace vt::cache {
namespace {

// A guess: about 20 MB. Beyond it the memory begins anew; the table has it all.
constexpr size_t kMost = 100'000;

std::string KeyOf(const std::string& root, const std::string& position) {
  return absl::StrCat(root, absl::string_view("\0", 1), position);
}

}  // namespace

void Durations::Note(const std::string& root, const std::string& position,
                     int64_t duration_us) {
  const base::MutexLock lock(&mutex_);
  if (known_.size() >= kMost) {
    known_.clear();
  }
  known_[KeyOf(root, position)] = duration_us;
}

std::optional<int64_t> Durations::Find(const std::string& root,
                                       const std::string& position) const {
  const base::MutexLock lock(&mutex_);
  const auto found = known_.find(KeyOf(root, position));
  return found == known_.end() ? std::nullopt
                               : std::optional<int64_t>(found->second);
}

void Durations::Clear() {
  const base::MutexLock lock(&mutex_);
  known_.clear();
}

}  // namespace vt::cache
