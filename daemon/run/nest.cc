// SPDX-License-Identifier: Apache-2.0

#include "daemon/run/nest.h"

#include <utility>

#include "absl/strings/str_cat.h"

#include "daemon/fingerprint/sink.h"

namespace vt::run {

InnerAction InnerAction::Of(
    std::string label, const vtask::storage::v1::WeakDescription& description,
    cache::Hit hit) {
  InnerAction inner;
  inner.label = std::move(label);
  inner.weak = fingerprint::WeakFingerprint(description);
  inner.root_only = description.share_root_only();
  for (const vtask::storage::v1::EnvValue& env : description.env()) {
    inner.env.push_back(env.name());
  }
  for (int i = 0; i < hit.path_set->observations_size(); ++i) {
    inner.seen.push_back({std::move(*hit.path_set->mutable_observations(i)),
                          std::move(*hit.result->mutable_values(i))});
  }
  for (const vtask::storage::v1::Output& output : hit.result->outputs()) {
    inner.outputs.push_back(output.path());
  }
  for (const vtask::storage::v1::Deletion& deletion : hit.result->deletions()) {
    inner.deletions.push_back(deletion.path());
  }
  return inner;
}

void Nest::Spoil(const std::string& who, const std::string& why) {
  if (!spoiled.has_value()) {
    spoiled.emplace();
    spoiled->set_reason(vtask::v1::NotStored::INNER_NOT_STORED);
    spoiled->set_text(absl::StrCat("nested `", who, "`: ", why));
  }
}

}  // namespace vt::run
