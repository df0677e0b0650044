// SPDX-License-Identifier: Apache-2.0
//
// System calls that both a wrapper of libc's function and syscall() make. They
// return what the kernel does.

#pragma once

#include "daemon/track/preload/observe.h"

namespace vt::preload {

inline constexpr unsigned long kStatSize = 144;  // struct stat; 128 on aarch64

long ObserveFstatat(int directory, const char* path, void* status, int flags);
long ObserveStatx(int directory, const char* path, int flags, unsigned mask,
                  void* status);
long ObserveFaccessat2(int directory, const char* path, int mode, int flags);
long ChangeDirectory(const Call& call);
long Prctl(const Call& call);

}  // namespace vt::preload
