// SPDX-License-Identifier: Apache-2.0

#include "daemon/cache/staging.h"

#include <fcntl.h>
#include <stdio.h>

#include <cerrno>
#include <optional>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"

#include "daemon/base/path.h"
#include "daemon/cache/temporaries.h"

namespace vt::cache {

Staging::~Staging() {
  for (const auto& [path, temporary] : temporaries_) {
    if (places_->Go(path, std::nullopt) == 0) {
      RemoveTemporary(places_->directory(), temporary);
    }
  }
  record_->End(begun_);
}

void Staging::Add(const std::string& path, const std::string& temporary) {
  temporaries_.emplace(path, temporary);
  ++begun_;
  record_->Begin(
      base::JoinPath(root_, base::JoinPath(base::Dirname(path), temporary)));
}

std::string Staging::At(const std::string& path) const {
  if (temporaries_.empty()) {
    return path;
  }
  for (absl::string_view up = path; !up.empty(); up = base::Dirname(up)) {
    if (const auto found = temporaries_.find(up); found != temporaries_.end()) {
      return absl::StrCat(base::JoinPath(base::Dirname(up), found->second),
                          absl::string_view(path).substr(up.size()));
    }
  }
  return path;
}

absl::Status Staging::Commit() {
  while (!temporaries_.empty()) {
    const auto next = temporaries_.begin();
    const std::string& path = next->first;
    int error = places_->Go(path, std::nullopt);
    if (error == 0) {
      error = RenameTemporary(places_->directory(), next->second,
                              places_->name(), /*may_replace=*/false);
    }
    if (error != 0) {
      return PlaceError(error, "replacing", path);
    }
    temporaries_.erase(next);
  }
  return absl::OkStatus();
}

int RenameTemporary(int directory, const std::string& temporary,
                    const std::string& name, bool may_replace) {
  const unsigned flags = may_replace ? 0 : RENAME_NOREPLACE;
  int result =
      ::renameat2(directory, temporary.c_str(), directory, name.c_str(), flags);
  if (result != 0 && flags != 0 && errno == EINVAL) {
    // A file system that knows no flags.
    result = ::renameat(directory, temporary.c_str(), directory, name.c_str());
  }
  return result == 0 ? 0 : errno;
}

}  // namespace vt::cache
