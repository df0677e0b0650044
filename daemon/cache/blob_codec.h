// SPDX-License-Identifier: Apache-2.0
//
// The file format of blobs (docs/CACHE_FORMAT.md, "Blobs"). In pieces where a
// blob may be larger than what we want to hold in memory.

#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

#include "daemon/base/digest.h"

namespace vt::cache {

// Takes the next piece of a content.
using BlobSink = std::function<absl::Status(absl::string_view)>;

// The blob file for `bytes`: compressed if that makes it smaller.
std::string EncodeBlob(absl::string_view bytes);

// Writes the blob file of the `size` bytes that `from` has from here on to
// `to`, and returns their SHA-256. It is compressed if the first piece gets
// smaller by that. ABORTED if there are more or fewer bytes. Blocking.
absl::StatusOr<base::Digest> EncodeBlob(int from, uint64_t size, int to);

// Gives the content of the blob file `from` to `sink`. DATA_LOSS if it is
// damaged in a way that shows: the digest is checked by the caller. Else the
// error of `sink`. Blocking.
absl::Status DecodeBlob(int from, const BlobSink& sink);

}  // namespace vt::cache
