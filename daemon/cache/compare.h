// SPDX-License-Identifier: Apache-2.0
//
// How two results differ in what they were made from: `vt explain --diff`. The
// same comparison as that of a miss, with a past value in place of the present.

#pragma once

#include <string>
#include <vector>

#include "daemon/base/digest.h"
#include "daemon/store/database.h"
#include "vtask/v1/run_event.pb.h"

namespace vt::cache {

struct ResultComparison {
  std::vector<vtask::v1::Difference> differences;  // sorted
  // Why nothing, or not all, can be said; "" if all is.
  std::string note;
};

// Of two results of the same weak fingerprint; `root`: whose are preferred.
// Compares what both had looked at. Blocking.
ResultComparison CompareResults(const store::Database& database,
                                const base::Digest& before,
                                const base::Digest& after,
                                const std::string& root);

}  // namespace vt::cache
