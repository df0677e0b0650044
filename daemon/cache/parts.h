// SPDX-License-Identifier: Apache-2.0
//
// The evaluation of a path set in parts, by directory: a later lookup need not
// look at those that somebody knows to be as they were (docs/FRESHNESS.md).

#pragma once

#include <string>
#include <vector>

#include "daemon/base/consulted.h"
#include "daemon/base/digest.h"
#include "vtask/storage/v1/storage.pb.h"

namespace vt::cache {

struct Evaluation {
  struct Part {
    base::Digest values;  // of what its observations came to
    // To a lookup: somebody vouches that they would come to the same now. It
    // does not look, then; and leaves the mark.
    bool is_current = false;
    // From a lookup that did look: what it consulted.
    base::Consulted consulted;
  };
  std::string path_set;  // its digest; empty: nothing is known
  base::Digest strong;
  // As of PartsOf; empty if nobody notes what is consulted.
  std::vector<Part> parts;
};

// The indices of the observations of each part, the same ones for the same path
// set. A directory in which many paths were observed has one of its own; the
// others share some.
std::vector<std::vector<int>> PartsOf(
    const vtask::storage::v1::PathSet& path_set);

}  // namespace vt::cache
