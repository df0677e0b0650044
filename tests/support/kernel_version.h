// SPDX-License-Identifier: Apache-2.0
//
// What a test may expect of the kernel that it runs on.

#pragma once

#include <sys/utsname.h>

#include <cstdio>

namespace vt::test {

inline bool IsKernelAtLeast(int major, int minor) {
  struct utsname name = {};
  int has_major = 0, has_minor = 0;
  return ::uname(&name) == 0 &&
         std::sscanf(name.release, "%d.%d", &has_major, &has_minor) == 2 &&
         (has_major > major || (has_major == major && has_minor >= minor));
}

}  // namespace vt::test
