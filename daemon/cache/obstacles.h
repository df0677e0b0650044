// SPDX-License-Identifier: Apache-2.0
//
// Obstacles: what somebody put where a result has its outputs, and what a run
// would not simply replace. A link would be written through, a directory make
// it fail, a file keep its permissions or its other names. We cannot know
// which: so it runs.

#pragma once

#include <string>
#include <vector>

#include "daemon/fingerprint/file_digests.h"
#include "vtask/storage/v1/storage.pb.h"

namespace vt::cache {

struct Obstacle {
  std::string path;  // relative
  std::string text;  // what is wrong with it: "is a link"
};

// At each output's place there must be nothing, or something of its type and
// mode; a file whose content differs must also be ours alone. Above it, and
// above what is to be deleted, only real directories. Sorted as the outputs.
// Blocking.
std::vector<Obstacle> FindObstacles(const std::string& root,
                                    const vtask::storage::v1::Result& result,
                                    fingerprint::FileDigests* files);

// Whether the regular file at relative `path` has the content of `output`.
bool HasContentOf(const std::string& root, const std::string& path,
                  const vtask::storage::v1::Output& output,
                  fingerprint::FileDigests* files);

}  // namespace vt::cache
