// SPDX-License-Identifier: Apache-2.0
//
// What a finished action saw, as values, and the proof that nobody changed it
// meanwhile (spec/runner.md X-29).

#pragma once

#include <optional>
#include <vector>

#include "daemon/cache/action_cache.h"
#include "daemon/fingerprint/observe.h"
#include "vtask/storage/v1/storage.pb.h"
#include "vtask/v1/run_event.pb.h"

namespace vt::cache {

// Values of `path_set` (canonical) as the action saw them, aligned with it.
// nullopt and `*why` if an input changed while the action ran. Blocking.
//
// An input counts as unchanged if its ctime (of a listing: the directory's
// mtime) is older than the start; or if this daemon had read the same content
// under the same identity before the start. What the action itself changed is
// exempt: its values are in known_values, or it is rebuildable.
std::optional<std::vector<vtask::storage::v1::Value>> EvaluateFinished(
    const vtask::storage::v1::PathSet& path_set, const FinishedAction& finished,
    const fingerprint::World& world, vtask::v1::NotStored* why);

}  // namespace vt::cache
