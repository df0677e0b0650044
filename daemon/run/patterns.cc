// SPDX-License-Identifier: Apache-2.0

#include "daemon/run/patterns.h"

#include <utility>

#include "absl/algorithm/container.h"

namespace vt::run {

using base::Glob;

Exclusions::Exclusions(
    const google::protobuf::RepeatedPtrField<vtask::storage::v1::Glob>& globs) {
  for (const vtask::storage::v1::Glob& glob : globs) {
    absl::StatusOr<Glob> parsed =
        Glob::Parse(glob.pattern(), Glob::Style::kPath);
    if (glob.negative() && parsed.ok()) {
      globs_.push_back(*std::move(parsed));
    }
  }
}

bool Exclusions::Covers(absl::string_view path) const {
  return absl::c_any_of(
      globs_, [path](const Glob& glob) { return glob.Matches(path); });
}

}  // namespace vt::run
