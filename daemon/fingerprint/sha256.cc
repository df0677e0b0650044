// SPDX-License-Identifier: Apache-2.0

#include "daemon/fingerprint/sha256.h"

#include <cstdio>
#include <cstdlib>
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

struct Sha256Hasher::State {
  ContextPtr context;
};

Sha256Hasher::Sha256Hasher() : state_(std::make_unique<State>()) {
  std::vector<ContextPtr>& spare = Spare();
  if (spare.empty()) {
    state_->context.reset(EVP_MD_CTX_new());
    Require(state_->context != nullptr);
  } else {
    state_->context = std::move(spare.back());
    spare.pop_back();
  }
  Require(EVP_DigestInit_ex2(state_->context.get(), Algorithm(), nullptr) == 1);
}

Sha256Hasher::~Sha256Hasher() {
  // A hasher may end on another thread than it began on: the context just
  // changes hands. The bound keeps a deep recursion from hoarding.
  constexpr size_t kMaxSpare = 8;
  if (Spare().size() < kMaxSpare) {
    Spare().push_back(std::move(state_->context));
  }
}

void Sha256Hasher::Update(absl::string_view bytes) {
  Require(EVP_DigestUpdate(state_->context.get(), bytes.data(), bytes.size()) ==
          1);
}

base::Digest Sha256Hasher::Finish() {
  base::Digest digest;
  unsigned int size = 0;
  EVP_MD_CTX* context = state_->context.get();
  Require(EVP_DigestFinal_ex(context, digest.bytes.data(), &size) == 1 &&
          size == base::Digest::kSize);
  Require(EVP_DigestInit_ex2(context, Algorithm(), nullptr) == 1);
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
