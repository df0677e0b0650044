// SPDX-License-Identifier: Apache-2.0
//
// One walk, two sinks: whatever is fingerprinted is walked once into a
// FingerprintSink, which hashes it, or writes it down for people (explain).

#pragma once

#include <cstdint>
#include <string>

#include "absl/strings/string_view.h"

#include "daemon/base/digest.h"
#include "vtask/storage/v1/storage.pb.h"

namespace vt::fingerprint {

// Fields arrive in a fixed order, each tagged and delimited, so that no two
// different walks give the same bytes.
class FingerprintSink {
 public:
  virtual ~FingerprintSink() = default;
  virtual void Bytes(absl::string_view tag, absl::string_view value) = 0;
  virtual void Number(absl::string_view tag, uint64_t value) = 0;
};

// SHA-256 of the walk. Thread-compatible.
class HashingSink final : public FingerprintSink {
 public:
  HashingSink();
  HashingSink(const HashingSink&) = delete;
  HashingSink& operator=(const HashingSink&) = delete;
  ~HashingSink() override;
  void Bytes(absl::string_view tag, absl::string_view value) override;
  void Number(absl::string_view tag, uint64_t value) override;
  base::Digest Finish();

 private:
  struct State;
  State* state_;
};

// The walk as lines "tag: value", binary escaped. Thread-compatible.
class TextSink final : public FingerprintSink {
 public:
  void Bytes(absl::string_view tag, absl::string_view value) override;
  void Number(absl::string_view tag, uint64_t value) override;
  const std::string& text() const { return text_; }

 private:
  std::string text_;
};

// Bumped by whatever changes the meaning of a stored fingerprint.
inline constexpr uint64_t kFormat = 1;

void WalkWeak(const vtask::storage::v1::WeakDescription& description,
              FingerprintSink* sink);
base::Digest WeakFingerprint(
    const vtask::storage::v1::WeakDescription& description);

// SHA-256 of `data` alone.
base::Digest Sha256(absl::string_view data);

}  // namespace vt::fingerprint
