// SPDX-License-Identifier: Apache-2.0
//
// open and its family, opendir. The mode is a fixed argument here: on both
// architectures variable arguments travel in the same registers, and one that
// the caller did not pass is not used.

#include "daemon/track/preload/export.h"
#include "daemon/track/preload/observe.h"

namespace vt::preload {
namespace {

constexpr int kNeedsMode = kOpenCreate | kOpenTemporary;

int OpenAt(int directory, const char* path, int flags, unsigned mode) {
  const long used_mode =
      (flags & kNeedsMode) != 0 ? static_cast<long>(mode) : 0;
  return static_cast<int>(Return(
      ObserveOpen({nr::kOpenat, {directory, Word(path), flags, used_mode, 0}},
                  directory, path, flags, /*may_be_cancelled=*/true)));
}

}  // namespace
}  // namespace vt::preload

using namespace vt::preload;  // NOLINT(google-build-using-namespace)

struct DIR;
extern "C" DIR* fdopendir(int fd);

VT_EXPORT int open(const char* path, int flags, unsigned mode) {
  return OpenAt(kAtCwd, path, flags, mode);
}
VT_EXPORT int openat(int directory, const char* path, int flags,
                     unsigned mode) {
  return OpenAt(directory, path, flags, mode);
}
extern "C" {
int VT_ALIAS("open") open64(const char* path, int flags, unsigned mode);
int VT_ALIAS("openat")
    openat64(int directory, const char* path, int flags, unsigned mode);
}

// Fortified: called where no mode was given and the flags are not constant.
VT_EXPORT int __open_2(const char* path, int flags) {
  if ((flags & kNeedsMode) != 0) {
    Abort("invalid open call: O_CREAT or O_TMPFILE without mode");
  }
  return OpenAt(kAtCwd, path, flags, 0);
}
VT_EXPORT int __open64_2(const char* path, int flags) {
  if ((flags & kNeedsMode) != 0) {
    Abort("invalid open64 call: O_CREAT or O_TMPFILE without mode");
  }
  return OpenAt(kAtCwd, path, flags, 0);
}
VT_EXPORT int __openat_2(int directory, const char* path, int flags) {
  if ((flags & kNeedsMode) != 0) {
    Abort("invalid openat call: O_CREAT or O_TMPFILE without mode");
  }
  return OpenAt(directory, path, flags, 0);
}
VT_EXPORT int __openat64_2(int directory, const char* path, int flags) {
  if ((flags & kNeedsMode) != 0) {
    Abort("invalid openat64 call: O_CREAT or O_TMPFILE without mode");
  }
  return OpenAt(directory, path, flags, 0);
}

// libc's own stream on our descriptor: another preloaded library may call the
// real readdir with it.
VT_EXPORT DIR* opendir(const char* path) {
  constexpr int kFlags = kOpenNonBlocking | kOpenDirectory | kOpenCloseOnExec;
  const long fd =
      Return(ObserveOpen({nr::kOpenat, {kAtCwd, Word(path), kFlags, 0, 0}},
                         kAtCwd, path, kFlags, /*may_be_cancelled=*/false));
  if (fd < 0) {
    return nullptr;
  }
  DIR* stream = fdopendir(static_cast<int>(fd));
  if (stream == nullptr) {
    Syscall(nr::kClose, fd);  // leaves errno alone
  }
  return stream;
}
