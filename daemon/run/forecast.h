// SPDX-License-Identifier: Apache-2.0
//
// Forecast: what the cache says of the steps of a plan now, for dry runs in
// text and JSON and for the Plan call. Blocking; no state.

#pragma once

#include <string>
#include <unordered_map>

#include "daemon/cache/action_cache.h"
#include "daemon/plan/plan.h"
#include "vtask/v1/run_event.pb.h"

namespace vt::run {

// What one step would do.
struct StepForecast {
  // UNKNOWN: it would hit, or miss, as the files are now, but an earlier step
  // may write some of them (R-JSON-5, X-18).
  vtask::v1::CacheStatus cache = vtask::v1::CACHE_STATUS_UNSPECIFIED;
  // Of cached steps.
  cache::LookupResult found;
  // Of the result that was found, or else of the nearest one.
  cache::Details details;
  // There is an earlier result to compare with.
  bool has_baseline = false;
  bool forced = false;  // it would run although there is a result
};

// Of every step that is no nested run, by its address in `plan`.
using Forecast = std::unordered_map<const plan::Step*, StepForecast>;

// `cache` may be null: then nothing is known.
Forecast MakeForecast(const std::string& root, const plan::Plan& plan,
                      cache::ActionCache* cache);

}  // namespace vt::run
