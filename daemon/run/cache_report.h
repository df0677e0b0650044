// SPDX-License-Identifier: Apache-2.0
//
// The answers of `vt cache`, for people and as JSON (docs/schema/cache). Pure.

#pragma once

#include <string>

#include "absl/time/time.h"

#include "daemon/cache/upkeep.h"
#include "daemon/history/runs.h"

namespace vt::run {

struct CacheStatus {
  std::string directory;
  cache::CacheSize size;
  cache::Limits limits;
  history::HitRate rate;
};

// "1.2 GiB".
std::string SizeText(uint64_t bytes);
// "3 d", "12 min": how long, in its largest unit.
std::string SpanText(absl::Duration span);

std::string CacheStatusText(const CacheStatus& status, absl::Time now);
std::string SweepText(const cache::SweepReport& report);
std::string VerifyText(const cache::VerifyReport& report);

// `schema` is the URL of docs/schema/cache.schema.json. One line each.
std::string CacheStatusJson(const CacheStatus& status,
                            const std::string& schema);
std::string SweepJson(const cache::SweepReport& report,
                      const std::string& schema);
std::string VerifyJson(const cache::VerifyReport& report,
                       const std::string& schema);

}  // namespace vt::run
