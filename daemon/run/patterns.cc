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

NamePatterns::NamePatterns(const std::vector<std::string>& patterns) {
  for (const std::string& pattern : patterns) {
    if (absl::StatusOr<Glob> parsed = Glob::Parse(pattern, Glob::Style::kFlat);
        parsed.ok()) {
      globs_.push_back(*std::move(parsed));
    }
  }
}

bool NamePatterns::Matches(absl::string_view name) const {
  return absl::c_any_of(
      globs_, [name](const Glob& glob) { return glob.Matches(name); });
}

}  // namespace vt::run
