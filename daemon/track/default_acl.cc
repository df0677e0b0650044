// SPDX-License-Identifier: Apache-2.0

#include "daemon/track/default_acl.h"

#include <linux/posix_acl.h>
#include <linux/posix_acl_xattr.h>
#include <sys/xattr.h>

#include <array>
#include <cerrno>
#include <cstdint>
#include <cstring>

namespace vt::track {
namespace {

// A list has entries for named users and groups, too: this is room for 500.
// Longer ones are not understood.
constexpr size_t kMaxSize = 4096;

}  // namespace

// As posix_acl_create_masq() of the kernel's fs/posix_acl.c: those of the
// owner, of others, and for the group those of the mask, or of the group
// without one.
bool DefaultPermissions(const std::string& directory,
                        std::optional<mode_t>* allowed) {
  allowed->reset();
  std::array<char, kMaxSize> list;
  const ssize_t size = ::getxattr(directory.c_str(), "system.posix_acl_default",
                                  list.data(), list.size());
  if (size < 0) {
    return errno == ENODATA || errno == EOPNOTSUPP;
  }
  // The kernel never returns another version, nor half an entry.
  mode_t owner = 0;
  mode_t group = 0;
  mode_t other = 0;
  std::optional<mode_t> mask;
  posix_acl_xattr_entry entry;
  for (size_t at = sizeof(posix_acl_xattr_header);
       at + sizeof entry <= static_cast<size_t>(size); at += sizeof entry) {
    std::memcpy(&entry, list.data() + at, sizeof entry);
    const mode_t permissions = entry.e_perm & 07;
    switch (entry.e_tag) {
      case ACL_USER_OBJ:
        owner = permissions;
        break;
      case ACL_GROUP_OBJ:
        group = permissions;
        break;
      case ACL_MASK:
        mask = permissions;
        break;
      case ACL_OTHER:
        other = permissions;
        break;
      default:
        break;
    }
  }
  *allowed = owner << 6 | mask.value_or(group) << 3 | other;
  return true;
}

}  // namespace vt::track
