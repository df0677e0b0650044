// SPDX-License-Identifier: Apache-2.0
//
// Listener: the daemon's socket file.

#pragma once

#include <string>
#include <utility>

#include "absl/status/statusor.h"

#include "daemon/base/unique_fd.h"

namespace vt::lifecycle {

// Thread-compatible.
class Listener {
 public:
  // Binds and listens (non-blocking, mode 0600) at `path`, of any length. What
  // a crashed daemon left there is removed: call it with the daemon lock held.
  //
  // UNAVAILABLE: somebody listens there (a daemon of another cache directory);
  // FAILED_PRECONDITION: something that is no socket of ours stands there.
  static absl::StatusOr<Listener> Bind(const std::string& path);

  // The socket that systemd passed (sd_listen_fds(3): LISTEN_PID, LISTEN_FDS,
  // descriptor 3); without any, an invalid listener. Forgets the variables.
  static Listener FromSystemd();

  Listener(Listener&& other) = default;
  Listener& operator=(Listener&& other) = default;

  bool is_valid() const { return fd_.is_valid(); }
  base::UniqueFd TakeFd() { return std::move(fd_); }

  // Removes the file if it is still the one that Bind made.
  void Unlink();

 private:
  Listener() = default;

  base::UniqueFd fd_;
  std::string path_;  // "": not ours
  // The file that Bind made, held so that its inode number stays its own.
  base::UniqueFd file_;
};

}  // namespace vt::lifecycle
