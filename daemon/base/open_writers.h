// SPDX-License-Identifier: Apache-2.0
//
// Whether somebody can write to a file right now.

#pragma once

namespace vt::base {

enum class OpenWriters {
  kNone,
  kSome,     // a descriptor or a mapping
  kUnknown,  // another user's file, or a file system without leases
};

// Of the regular file behind `fd`, which is open for reading only. By a read
// lease (fcntl(2), F_SETLEASE), given back at once: whoever opens the file for
// writing in that moment, 1 us, is held up for it. Three system calls, 1 us.
OpenWriters FindOpenWriters(int fd);

}  // namespace vt::base
