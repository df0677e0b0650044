// SPDX-License-Identifier: Apache-2.0

#include "daemon/track/nested_changes.h"

#include <sys/stat.h>

#include "daemon/base/path.h"

namespace vt::track {
namespace {

Resolved At(const std::string& path) {
  Resolved at;
  at.path = path;
  at.kind = ::lstat(path.c_str(), &at.status) == 0 ? Resolved::Kind::kFound
                                                   : Resolved::Kind::kMissing;
  return at;
}

// Directories on the way that are not there are made as well.
void TellParents(const ChangeSink& sink, const std::string& root,
                 const std::string& path) {
  const std::string directory(base::Dirname(path));
  if (!base::IsWithin(directory, root) || directory == root) {
    return;
  }
  const Resolved at = At(directory);
  if (!at.found()) {
    TellParents(sink, root, directory);
    sink({&at, Change::kCreateDirectory});
  }
}

}  // namespace

void TellRestored(const ChangeSink& sink, const std::string& root,
                  const std::string& path, bool remove) {
  const Resolved at = At(path);
  if (!remove) {
    TellParents(sink, root, path);
    sink({&at, at.found() ? Change::kOverwrite : Change::kCreate});
  } else if (at.found()) {
    sink({&at, Change::kRemove});
  }
}

}  // namespace vt::track
