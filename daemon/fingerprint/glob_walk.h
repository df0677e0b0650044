// SPDX-License-Identifier: Apache-2.0
//
// Finds what explicit inputs (spec/runner.md R-IN-1, X-30) match on disk.

#pragma once

#include <functional>
#include <string>
#include <vector>

#include "vtask/storage/v1/storage.pb.h"

namespace vt::fingerprint {

struct DirectoryEntry {
  std::string name;
  vtask::storage::v1::Value::Type type =
      vtask::storage::v1::Value::TYPE_UNSPECIFIED;
};

// The entries of absolute directory `path`, sorted by name, without "." and
// ".." and our own temporary files. False if it cannot be read. Blocking.
bool ListDirectory(const std::string& path, std::vector<DirectoryEntry>* out);

// Relative paths of the regular files and symbolic links below `root` that
// match a positive glob and no negative one; sorted, unique. Symbolic links to
// directories are not entered, `.git` of the root neither. A pattern that does
// not parse matches nothing (the configuration was checked before). Blocking.
std::vector<std::string> WalkGlobs(
    const std::string& root,
    const google::protobuf::RepeatedPtrField<vtask::storage::v1::Glob>& globs);

}  // namespace vt::fingerprint
