// SPDX-License-Identifier: Apache-2.0
//
// Directories that are private enough, and the question whether a database may
// live in one.

#pragma once

#include <string>

#include "absl/status/status.h"

namespace vt::lifecycle {

// Creates `path` and missing parents (0700) and checks that it is a directory
// of this user. Blocking.
//
// FAILED_PRECONDITION: something else, or another user's.
absl::Status PrepareOwnDirectory(const std::string& path);

// The same for the directory of sockets: in addition nobody else may enter it
// (its mode is tightened to 0700 if need be) and it is no symbolic link, which
// in /tmp could be anybody's.
absl::Status PrepareRuntimeDirectory(const std::string& path);

// Name of the network (or FUSE) file system that holds `path`, "" for a local
// one. RocksDB's locks and mmaps cannot be trusted there (decisions H19). A
// path that cannot be looked at counts as local: opening the cache will say
// more.
std::string NetworkFileSystem(const std::string& path);

}  // namespace vt::lifecycle
