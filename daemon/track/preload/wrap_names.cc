// SPDX-License-Identifier: Apache-2.0
//
// access and readlink.

#include "daemon/track/preload/export.h"
#include "daemon/track/preload/observe.h"
#include "daemon/track/preload/raw_calls.h"

namespace vt::preload {
namespace {

using track::RecordKind;

// The calls that libc makes, where the architecture has them.
Call AccessCall(const char* path, int mode) {
  if constexpr (nr::kAccess != nr::kNone) {
    return {nr::kAccess, {Word(path), mode}};
  } else {
    return {nr::kFaccessat, {kAtCwd, Word(path), mode}};
  }
}

Call ReadlinkCall(const char* path, char* buffer, unsigned long size) {
  const auto bytes = static_cast<long>(size);
  if constexpr (nr::kReadlink != nr::kNone) {
    return {nr::kReadlink, {Word(path), Word(buffer), bytes}, buffer, size};
  } else {
    return {nr::kReadlinkat,
            {kAtCwd, Word(path), Word(buffer), bytes},
            buffer,
            size};
  }
}

long Readlink(const char* path, char* buffer, unsigned long size) {
  return Return(Observe(ReadlinkCall(path, buffer, size), kAtCwd, path,
                        RecordKind::kReadlink));
}

long ReadlinkAt(int directory, const char* path, char* buffer,
                unsigned long size) {
  return Return(
      Observe({nr::kReadlinkat,
               {directory, Word(path), Word(buffer), static_cast<long>(size)},
               buffer,
               size},
              directory, path, RecordKind::kReadlink));
}

}  // namespace

long ObserveFaccessat2(int directory, const char* path, int mode, int flags) {
  const Call call = {nr::kFaccessat2, {directory, Word(path), mode, flags}};
  if ((flags & kAtEmptyPath) != 0) {
    return Plain(call);  // notified
  }
  return Observe(
      call, directory, path,
      (flags & kAtNoFollow) != 0 ? RecordKind::kLstat : RecordKind::kAccess);
}

}  // namespace vt::preload

using namespace vt::preload;  // NOLINT(google-build-using-namespace)

VT_EXPORT int access(const char* path, int mode) {
  return static_cast<int>(Return(
      Observe(AccessCall(path, mode), kAtCwd, path, RecordKind::kAccess)));
}
VT_EXPORT int faccessat(int directory, const char* path, int mode, int flags) {
  if (flags == 0) {
    return static_cast<int>(
        Return(Observe({nr::kFaccessat, {directory, Word(path), mode}},
                       directory, path, RecordKind::kAccess)));
  }
  // Linux 5.8 has it, tracking needs 5.9: none of libc's emulation here.
  return static_cast<int>(
      Return(ObserveFaccessat2(directory, path, mode, flags)));
}
VT_EXPORT int euidaccess(const char* path, int mode) {
  return static_cast<int>(
      Return(ObserveFaccessat2(kAtCwd, path, mode, kAtEaccess)));
}
extern "C" int VT_ALIAS("euidaccess") eaccess(const char* path, int mode);

VT_EXPORT long readlink(const char* path, char* buffer, unsigned long size) {
  return Readlink(path, buffer, size);
}
VT_EXPORT long readlinkat(int directory, const char* path, char* buffer,
                          unsigned long size) {
  return ReadlinkAt(directory, path, buffer, size);
}

// Fortified: the buffer's true size comes last.
VT_EXPORT long __readlink_chk(const char* path, char* buffer,
                              unsigned long size, unsigned long true_size) {
  if (size > true_size) {
    Abort("buffer overflow detected");
  }
  return Readlink(path, buffer, size);
}
VT_EXPORT long __readlinkat_chk(int directory, const char* path, char* buffer,
                                unsigned long size, unsigned long true_size) {
  if (size > true_size) {
    Abort("buffer overflow detected");
  }
  return ReadlinkAt(directory, path, buffer, size);
}
