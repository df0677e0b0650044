// SPDX-License-Identifier: Apache-2.0
//
// Proves that what the cache holds is what was put in, and takes out of the way
// what is not.

#pragma once

#include "absl/status/statusor.h"

#include "daemon/cache/sweep.h"
#include "daemon/cache/upkeep.h"

namespace vt::cache {

// Reads every blob and every record. A blob is hashed; a result must have the
// digest that was noted when it was stored and refer to what is there; a path
// set must have the digest it is found under. Damaged blobs and records are
// moved to the quarantine; a result that has lost something is removed.
//
// Not proved, because harmless: times and orders, and what only ever makes a
// miss (own outputs, identities of files). Blocking, for long.
//
// Errors: CANCELLED; DATA_LOSS: the database itself cannot be read, and must be
// emptied.
absl::StatusOr<VerifyReport> Verify(const CacheParts& parts, const Pace& pace);

}  // namespace vt::cache
