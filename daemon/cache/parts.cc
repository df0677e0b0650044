// SPDX-License-Identifier: Apache-2.0

#include "daemon/cache/parts.h"

#include <map>
#include <utility>

#include "absl/strings/string_view.h"

#include "daemon/base/path.h"

namespace vt::cache {
namespace {

using vtask::storage::v1::Observation;

// Guesses: a part costs its lease (100 bytes) while it holds, and the rest of
// it to look at again once it does not.
constexpr size_t kOwnPart = 16;
constexpr size_t kSharedPart = 64;

}  // namespace

std::vector<std::vector<int>> PartsOf(
    const vtask::storage::v1::PathSet& path_set) {
  std::map<absl::string_view, std::vector<int>> by_directory;
  for (int i = 0; i < path_set.observations_size(); ++i) {
    const Observation& observation = path_set.observations(i);
    const absl::string_view path = observation.path();
    by_directory[observation.kind() == Observation::LISTING
                     ? path
                     : base::Dirname(path)]
        .push_back(i);
  }
  std::vector<std::vector<int>> parts;
  std::vector<int> shared;
  for (auto& [directory, indices] : by_directory) {
    if (indices.size() >= kOwnPart) {
      parts.push_back(std::move(indices));
      continue;
    }
    shared.insert(shared.end(), indices.begin(), indices.end());
    if (shared.size() >= kSharedPart) {
      parts.push_back(std::exchange(shared, {}));
    }
  }
  if (!shared.empty()) {
    parts.push_back(std::move(shared));
  }
  return parts;
}

}  // namespace vt::cache
