// SPDX-License-Identifier: Apache-2.0
//
// stat and its family. libc's struct stat is the kernel's on both
// architectures.

#include "daemon/track/preload/export.h"
#include "daemon/track/preload/observe.h"
#include "daemon/track/preload/raw_calls.h"

namespace vt::preload {
namespace {

using track::RecordKind;

// AT_EMPTY_PATH with a descriptor passes the filter, as it is fstat (rule R1 in
// docs/TRACKING.md); unless it has a name all the same. Then the flag means
// nothing, and the call is made without it.
long ObserveMaybeEmpty(const Call& with_flag, const Call& without,
                       int directory, const char* path, RecordKind kind) {
  const long result = Plain(with_flag);
  if (result == -kEfault) {
    Plain(without);
    return result;
  }
  if (reinterpret_cast<uintptr_t>(path) < kPageSize || path[0] == '\0') {
    return result;
  }
  return Observe(without, directory, path, kind);
}

constexpr unsigned long kStatxSize = 256;

RecordKind KindOf(int flags) {
  return (flags & kAtNoFollow) != 0 ? RecordKind::kLstat : RecordKind::kStat;
}

}  // namespace

// Return values are the kernel's.
long ObserveFstatat(int directory, const char* path, void* status, int flags) {
  const Call call = {nr::kNewfstatat,
                     {directory, Word(path), Word(status), flags, 0},
                     status,
                     kStatSize};
  if ((flags & kAtEmptyPath) == 0) {
    return Observe(call, directory, path, KindOf(flags));
  }
  Call without = call;
  without.args[3] = flags & ~kAtEmptyPath;
  return ObserveMaybeEmpty(call, without, directory, path, KindOf(flags));
}

long ObserveStatx(int directory, const char* path, int flags, unsigned mask,
                  void* status) {
  const Call call = {nr::kStatx,
                     {directory, Word(path), flags, mask, Word(status)},
                     status,
                     kStatxSize};
  if ((flags & kAtEmptyPath) == 0) {
    return Observe(call, directory, path, KindOf(flags));
  }
  Call without = call;
  without.args[2] = flags & ~kAtEmptyPath;
  return ObserveMaybeEmpty(call, without, directory, path, KindOf(flags));
}

namespace {

int Stat(int directory, const char* path, void* status, int flags) {
  return static_cast<int>(
      Return(ObserveFstatat(directory, path, status, flags)));
}

int Fstat(int fd, void* status) {
  return static_cast<int>(Return(Plain({nr::kFstat, {fd, Word(status)}})));
}

// The version argument of programs that were linked before glibc 2.33.
bool IsKnown(int version) {
#if defined(__x86_64__)
  return version == 0 || version == 1;
#else
  return version == 0;
#endif
}

}  // namespace
}  // namespace vt::preload

using namespace vt::preload;  // NOLINT(google-build-using-namespace)

VT_EXPORT int stat(const char* path, void* status) {
  return Stat(kAtCwd, path, status, 0);
}
VT_EXPORT int lstat(const char* path, void* status) {
  return Stat(kAtCwd, path, status, kAtNoFollow);
}
VT_EXPORT int fstat(int fd, void* status) { return Fstat(fd, status); }
VT_EXPORT int fstatat(int directory, const char* path, void* status,
                      int flags) {
  return Stat(directory, path, status, flags);
}
VT_EXPORT int __xstat(int version, const char* path, void* status) {
  return IsKnown(version) ? Stat(kAtCwd, path, status, 0)
                          : static_cast<int>(Return(-kEinval));
}
VT_EXPORT int __lxstat(int version, const char* path, void* status) {
  return IsKnown(version) ? Stat(kAtCwd, path, status, kAtNoFollow)
                          : static_cast<int>(Return(-kEinval));
}
VT_EXPORT int __fxstat(int version, int fd, void* status) {
  return IsKnown(version) ? Fstat(fd, status)
                          : static_cast<int>(Return(-kEinval));
}
VT_EXPORT int __fxstatat(int version, int directory, const char* path,
                         void* status, int flags) {
  return IsKnown(version) ? Stat(directory, path, status, flags)
                          : static_cast<int>(Return(-kEinval));
}
VT_EXPORT int statx(int directory, const char* path, int flags, unsigned mask,
                    void* status) {
  return static_cast<int>(
      Return(ObserveStatx(directory, path, flags, mask, status)));
}

extern "C" {
int VT_ALIAS("stat") stat64(const char* path, void* status);
int VT_ALIAS("lstat") lstat64(const char* path, void* status);
int VT_ALIAS("fstat") fstat64(int fd, void* status);
int VT_ALIAS("fstatat")
    fstatat64(int directory, const char* path, void* status, int flags);
int VT_ALIAS("__xstat") __xstat64(int version, const char* path, void* status);
int VT_ALIAS("__lxstat")
    __lxstat64(int version, const char* path, void* status);
int VT_ALIAS("__fxstat") __fxstat64(int version, int fd, void* status);
int VT_ALIAS("__fxstatat")
    __fxstatat64(int version, int directory, const char* path, void* status,
                 int flags);
}
