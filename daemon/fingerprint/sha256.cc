// SPDX-License-Identifier: Apache-2.0

#include "daemon/fingerprint/sha256.h"

#include <cstdio>
#include <cstdlib>
#include <memory>
#include <utility>
#include <vector>

#include "daemon/base/file.h"
#include "daemon/base/status.h"

#include <openssl/evp.h>

namespace vt::fingerprint {
namespace {

struct FreeContext {
  void operator()(EVP_MD_CTX* context) const { EVP_MD_CTX_free(context); }
};
using ContextPtr = std::unique_ptr<EVP_MD_CTX, FreeContext>;

// OpenSSL fails here only without memory, or when it was built without SHA-256.
void Require(bool ok) {
  if (!ok) {
    std::fputs("vtask: OpenSSL refuses SHA-256\n", stderr);
    std::abort();
  }
}

// Fetched once: an implicit fetch costs more than hashing 32 bytes (0.81 us
// against 0.19 us). Never freed: threads may hash until the process ends.
const EVP_MD* Algorithm() {
  static const EVP_MD* const algorithm =
      EVP_MD_fetch(nullptr, "SHA256", nullptr);
  Require(algorithm != nullptr);
  return algorithm;
}

// Contexts that this thread has used and may use again.
std::vector<ContextPtr>& Spare() {
  thread_local std::vector<ContextPtr> spare;
  return spare;
}

}  // namespace

Sha256Hasher::Sha256Hasher() {
  std::vector<ContextPtr>& spare = Spare();
  if (spare.empty()) {
    context_ = EVP_MD_CTX_new();
    Require(context_ != nullptr);
  } else {
    context_ = spare.back().release();
    spare.pop_back();
  }
}

Sha256Hasher::~Sha256Hasher() {
  // A hasher may end on another thread than it began on: the context just
  // changes hands. The bound keeps a deep recursion from hoarding.
  constexpr size_t kMaxSpare = 8;
  ContextPtr context(context_);
  if (Spare().size() < kMaxSpare) {
    Spare().push_back(std::move(context));
  }
}

// Each digest begins once, when it has to: that allocates.
void Sha256Hasher::Begin() {
  if (!is_begun_) {
    Require(EVP_DigestInit_ex2(context_, Algorithm(), nullptr) == 1);
    is_begun_ = true;
  }
}

void Sha256Hasher::Update(absl::string_view bytes) {
  Begin();
  Require(EVP_DigestUpdate(context_, bytes.data(), bytes.size()) == 1);
}

base::Digest Sha256Hasher::Finish() {
  Begin();
  base::Digest digest;
  unsigned int size = 0;
  Require(EVP_DigestFinal_ex(context_, digest.bytes.data(), &size) == 1 &&
          size == base::Digest::kSize);
  is_begun_ = false;
  return digest;
}

absl::StatusOr<base::Digest> Sha256OfFile(int fd) {
  Sha256Hasher hasher;
  VT_RETURN_IF_ERROR(base::ReadPieces(fd, [&](absl::string_view piece) {
    hasher.Update(piece);
    return absl::OkStatus();
  }));
  return hasher.Finish();
}

}  // namespace vt::fingerprint
