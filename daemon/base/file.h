// SPDX-License-Identifier: Apache-2.0
//
// Whole files, read and written in one call. Blocking.

#pragma once

#include <sys/types.h>

#include <functional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace vt::base {

// The content of `path`, which is noted as consulted. Errors as ErrnoToStatus:
// NOT_FOUND, PERMISSION_DENIED...
absl::StatusOr<std::string> ReadFile(absl::string_view path);

// Replaces `path` by a file of `data` with permissions `mode`: written beside
// it under a temporary name, then renamed. A reader sees the old or the new
// file.
absl::Status WriteFileAtomic(absl::string_view path, absl::string_view data,
                             mode_t mode);

// Creates `path` and its missing parents, each with `mode`. OK if it is there.
absl::Status MakeDirectories(absl::string_view path, mode_t mode);

// Reads `fd` to its end and gives the bytes to `take` in pieces of kPieceSize at
// most, never an empty one. Stops at the first error of `take`.
inline constexpr size_t kPieceSize = size_t{256} << 10;
absl::Status ReadPieces(
    int fd, const std::function<absl::Status(absl::string_view)>& take);

// Writes all of `data` to `fd`, over short writes and EINTR.
absl::Status WriteAll(int fd, absl::string_view data);

}  // namespace vt::base
