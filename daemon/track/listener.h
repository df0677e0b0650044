// SPDX-License-Identifier: Apache-2.0
//
// Listener: the descriptor of a seccomp filter with user notification.

#pragma once

#include <linux/seccomp.h>

#include <optional>

#include "daemon/base/unique_fd.h"

namespace vt::track {

// Thread-compatible.
class Listener {
 public:
  explicit Listener(base::UniqueFd fd);

  int fd() const { return fd_.get(); }

  // Makes the kernel hand the processor over with each notification: without it
  // one costs four times as much (tracking.md 2). False: before Linux 6.6.
  bool WakeSynchronously() const;

  // Waits for the next system call. False: no filtered task is left, or (with
  // `error` set) the descriptor is broken. Blocking.
  bool Receive(seccomp_notif* request, int* error) const;

  // Lets the call go on. False: the caller was killed or interrupted meanwhile,
  // and the call did not happen.
  bool Continue(const seccomp_notif& request) const;

  // Lets the call fail.
  void Refuse(const seccomp_notif& request, int error) const;

  // Puts a copy of `fd` (close-on-exec) into the caller, whose call returns its
  // number. `at_once`: by one call of the kernel, which Linux has since 5.14.
  // False: it could not be done, and the call is still to be answered.
  bool Give(const seccomp_notif& request, int fd, bool at_once) const;

 private:
  bool IsHungUp(int timeout_ms) const;
  bool Send(const seccomp_notif_resp& response) const;

  base::UniqueFd fd_;
  // Since Linux 6.11 a waiting receive ends when the last task does.
  const bool receive_ends_;
};

}  // namespace vt::track
