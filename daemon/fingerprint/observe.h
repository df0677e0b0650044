// SPDX-License-Identifier: Apache-2.0
//
// Evaluates observations (storage.v1.Observation) against the present, and says
// how two evaluations differ. The same walk serves lookup, store and explain.

#pragma once

#include <functional>
#include <string>
#include <vector>

#include "daemon/base/digest.h"
#include "daemon/base/env_query.h"
#include "daemon/fingerprint/file_digests.h"
#include "daemon/fingerprint/sink.h"
#include "vtask/storage/v1/storage.pb.h"
#include "vtask/v1/run_event.pb.h"

namespace vt::fingerprint {

// The world an observation is evaluated in.
struct World {
  std::string root;                   // absolute
  const base::EnvMap* env = nullptr;  // unfiltered (tool-ipc 4.3)
  FileDigests* files = nullptr;
  mode_t umask = 022;  // of the caller
  // Whether content `digest` at `path` is an output once recorded there for the
  // weak fingerprint at hand (decisions H4).
  std::function<bool(const std::string& path, const base::Digest& digest)>
      is_own_output;
};

// Value of one observation now. A rebuildable one gives REBUILDABLE when it is
// missing or an own output, else its real value. A TOOL_VALUE is constant: what
// a tool says cannot be asked for again. Blocking.
vtask::storage::v1::Value Observe(
    const vtask::storage::v1::Observation& observation, const World& world);

// The same; `*seen` becomes what stood at the path when its content, metadata
// or existence was observed, and is left alone by other kinds.
vtask::storage::v1::Value Observe(
    const vtask::storage::v1::Observation& observation, const World& world,
    FileState* seen);

// Entries whose names begin so are ours, half written, and never listed.
inline constexpr char kTemporaryPrefix[] = ".vtask-tmp-";

// Absolute path of an observation of the file system.
std::string AbsolutePath(const std::string& root, const std::string& path);

// Into the strong fingerprint: weak, path set digest, every value.
base::Digest StrongFingerprint(
    const base::Digest& weak, const base::Digest& path_set,
    const std::vector<vtask::storage::v1::Value>& values);
// Of some of them.
base::Digest ValuesDigest(const std::vector<vtask::storage::v1::Value>& values);
base::Digest PathSetDigest(const vtask::storage::v1::PathSet& path_set);

// The permission bits that count: of a regular file whether its owner may
// execute it. The others come from the umask of whoever made the clone.
uint32_t ComparedMode(vtask::storage::v1::Value::Type type, uint32_t mode);

// The mode of a MISSING value whose path leads through what is no directory, or
// through links without end.
inline constexpr uint32_t kBlocked = 1;
inline constexpr uint32_t kLost = 2;

bool SameValue(const vtask::storage::v1::Value& a,
               const vtask::storage::v1::Value& b);

// Appends what changed from `before` to `now` at `observation` (several entries
// for listings, globs and queries).
void AppendDifferences(const vtask::storage::v1::Observation& observation,
                       const vtask::storage::v1::Value& before,
                       const vtask::storage::v1::Value& now,
                       std::vector<vtask::v1::Difference>* out);
// Differences between two descriptions (program, args, cwd, config, env).
std::vector<vtask::v1::Difference> DescribeDifferences(
    const vtask::storage::v1::WeakDescription& before,
    const vtask::storage::v1::WeakDescription& now);

// Sorts as R-MISS-1 wants them shown: kind, then name or path; drops repeats.
void SortDifferences(std::vector<vtask::v1::Difference>* differences);

}  // namespace vt::fingerprint
