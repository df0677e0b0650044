// SPDX-License-Identifier: Apache-2.0
//
// Sha256Hasher: SHA-256 of bytes that arrive in pieces. The only place that
// knows OpenSSL.

#pragma once

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

#include "daemon/base/digest.h"

struct evp_md_ctx_st;  // OpenSSL's EVP_MD_CTX

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
  void Begin();

  evp_md_ctx_st* context_;  // ours
  bool is_begun_ = false;
};

// Of what `fd` has from here to its end. Errors as errno. Blocking.
absl::StatusOr<base::Digest> Sha256OfFile(int fd);

}  // namespace vt::fingerprint
