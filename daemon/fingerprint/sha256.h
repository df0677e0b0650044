// SPDX-License-Identifier: Apache-2.0
//
// Sha256Hasher: SHA-256 of bytes that arrive in pieces. The only place that
// knows OpenSSL.

#pragma once

#include <memory>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

#include "daemon/base/digest.h"

namespace vt::fingerprint {

// Thread-compatible.
class Sha256Hasher {
 public:
  Sha256Hasher();
  Sha256Hasher(const Sha256Hasher&) = delete;
  Sha256Hasher& operator=(const Sha256Hasher&) = delete;
  ~Sha256Hasher();

  void Update(absl::string_view bytes);
  // The digest of everything so far; the next Update starts anew.
  base::Digest Finish();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// Of what `fd` has from here to its end. Errors as errno. Blocking.
absl::StatusOr<base::Digest> Sha256OfFile(int fd);

}  // namespace vt::fingerprint
