// SPDX-License-Identifier: Apache-2.0
//
// Default access control lists of directories. What is made in a directory that
// has one gets its permissions from the list; the umask does not count
// (acl(5)).

#pragma once

#include <sys/types.h>

#include <optional>
#include <string>

namespace vt::track {

// The permission bits (of 0777) that `directory` leaves to what is made in it;
// nullopt: it has no default list, and the umask counts. False: that cannot be
// told. Thread-safe. Blocking.
bool DefaultPermissions(const std::string& directory,
                        std::optional<mode_t>* allowed);

}  // namespace vt::track
