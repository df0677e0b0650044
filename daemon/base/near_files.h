// SPDX-License-Identifier: Apache-2.0
//
// NearFiles: from a path to what openat(2) and its kin take, a directory and a
// name in it. Who looks at many files of one directory has the kernel walk the
// way there once. Measured of files eight levels down: a look takes 0.26 us,
// not 0.42, and a run that only looks (VT_VERIFY=stat, 11 000 files) 5 % less.

#pragma once

#include <string>

#include "daemon/base/unique_fd.h"

namespace vt::base {

// Thread-compatible.
//
// The directory of the last path stays open, until one of another directory is
// asked for. If it is moved away meanwhile, its files are still the ones that
// are found, as if one had looked before: so it is for one pass over many
// files, not for longer.
class NearFiles {
 public:
  struct Place {
    int directory;     // a descriptor, or AT_FDCWD
    const char* name;  // part of the path that was asked for
  };

  // Where `path` is, as a path of its own would be resolved. `path` is absolute
  // and outlives the answer, which is good until the next call.
  Place Find(const std::string& path);

 private:
  std::string directory_;  // of the last path, with its slash
  UniqueFd fd_;            // of it, from the second path on
  bool is_tried_ = false;  // to open it
};

// While it lives, files that this thread looks at are near each other: a pass.
// One within another is no new one. Thread-compatible.
class NearScope {
 public:
  NearScope();
  NearScope(const NearScope&) = delete;
  NearScope& operator=(const NearScope&) = delete;
  ~NearScope();

 private:
  NearFiles files_;
  NearFiles* const outer_;
};

// As NearFiles::Find, in the pass of this thread; outside of any, the path
// itself.
NearFiles::Place FindNear(const std::string& path);

}  // namespace vt::base
