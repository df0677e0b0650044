// SPDX-License-Identifier: Apache-2.0
//
// Places: goes to where outputs are, below the root and nowhere else. All is
// relative to directory descriptors that openat2(2) resolved without symbolic
// links and without leaving the root: a rename of a directory under our feet
// can misplace a file, but never let one escape.

#pragma once

#include <sys/stat.h>

#include <optional>
#include <string>

#include "absl/status/status.h"

#include "daemon/base/unique_fd.h"

namespace vt::cache {

// Thread-compatible. Blocking.
class Places {
 public:
  // `root`, absolute, outlives this.
  explicit Places(const std::string& root) : root_(root) {}

  // Call first.
  absl::Status Open();

  // Goes to relative `path`, which is IsInsidePath. With `new_mode` the
  // directories above that are missing are made, with that mode. Returns 0 or
  // errno: ENOENT for a missing directory, ELOOP or ENOTDIR if one of them is a
  // link or a file. Notes the path as consulted.
  int Go(const std::string& path, std::optional<mode_t> new_mode) {
    return Go(path, path, new_mode);
  }
  // The same to `at`, which will be `path` (Staging); notes `path`.
  int Go(const std::string& path, const std::string& at,
         std::optional<mode_t> new_mode);

  // After a Go that returned 0. The directory, the name in it, and what stands
  // there, which may be nothing.
  int directory() const { return parent_.get(); }
  const std::string& name() const { return name_; }
  const std::optional<struct stat>& found() const { return found_; }

  // After a Go with ELOOP or ENOTDIR: the first that is no directory.
  std::string Blocker(const std::string& path) const;

 private:
  int EnterParent(const std::string& path, std::optional<mode_t> new_mode);

  const std::string& root_;
  base::UniqueFd root_fd_;
  base::UniqueFd parent_;
  std::string parent_path_;  // of parent_, or that could not be entered
  int parent_error_ = 0;
  std::string name_;
  std::optional<struct stat> found_;
};

// `error` as a status that names `path`.
absl::Status PlaceError(int error, absl::string_view what,
                        const std::string& path);

}  // namespace vt::cache
