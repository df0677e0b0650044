// SPDX-License-Identifier: Apache-2.0
//
// ContentHasher: the content digest (docs/CACHE_FORMAT.md, "Content digest") of
// bytes that arrive in pieces of any size.

#pragma once

#include <string>

#include "absl/strings/string_view.h"

#include "daemon/base/digest.h"
#include "daemon/fingerprint/sha256.h"

namespace vt::fingerprint {

// Roots shorter than this are not replaced in contents, and count as named by
// everything: "/" or "/w" stand in any file by chance.
inline constexpr size_t kShortestRoot = 4;

// Thread-compatible.
class ContentHasher {
 public:
  // `root` may be empty: nothing is replaced.
  explicit ContentHasher(const std::string& root);

  void Update(absl::string_view bytes);
  base::Digest Finish();
  // After Finish: whether the root occurred (always, if it is too short).
  bool contains_root() const { return contains_root_; }

 private:
  // Hashes of `bytes` what no longer can change; returns how much that was.
  size_t Consume(absl::string_view bytes, bool is_last);

  const std::string root_;
  const bool replaces_;
  bool contains_root_ = false;
  std::string pending_;
  Sha256Hasher hasher_;
};

// The content digest of `bytes` whose SHA-256 is known to be `plain`: that, and
// nothing is hashed, unless the root is in them.
base::Digest ContentDigestOf(const std::string& root, absl::string_view bytes,
                             const base::Digest& plain, bool* contains_root);

// NamesRoot (file_digests.h) for bytes that arrive in pieces.
// Thread-compatible.
class RootFinder {
 public:
  explicit RootFinder(const std::string& root) : root_(root) {}

  void Update(absl::string_view bytes);
  bool found() const { return found_; }

 private:
  const std::string root_;
  bool found_ = false;
  std::string window_;  // the end of what came before
};

}  // namespace vt::fingerprint
