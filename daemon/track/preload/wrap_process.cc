// SPDX-License-Identifier: Apache-2.0
//
// Calls that change what the library may do or believes: chdir and fchdir
// (notified anyway), and prctl, by which a process installs a system call
// filter of its own. And how libc's fortified functions end a process.

#include "daemon/track/preload/attach.h"
#include "daemon/track/preload/directory.h"
#include "daemon/track/preload/export.h"
#include "daemon/track/preload/observe.h"
#include "daemon/track/preload/raw_calls.h"

namespace vt::preload {

namespace {

constexpr long kPrSetSeccomp = 22;

unsigned long SizeOf(const char* text) {
  unsigned long size = 0;
  while (text[size] != '\0') {
    ++size;
  }
  return size;
}

void Say(const char* text) {
  Syscall(nr::kWrite, 2, Word(text), static_cast<long>(SizeOf(text)));
}

}  // namespace

long ChangeDirectory(const Call& call) {
  const long result = Plain(call);
  // Also after a failure: another thread's may have been the one that counted.
  if (Attached* attached = LoadAcquire(&process.attached)) {
    DirectoryChanged(attached);
  }
  return result;
}

long Prctl(const Call& call) {
  const long result = Syscall(call.number, call.args[0], call.args[1],
                              call.args[2], call.args[3], call.args[4]);
  if (call.args[0] == kPrSetSeccomp && !IsError(result)) {
    Retire();
  }
  return result;
}

// As glibc's abort(): the signal unblocked, then, if a handler returned, by
// default.
void Abort(const char* message) {
  constexpr long kSigabrt = 6, kUnblock = 1;
  constexpr uint64_t kAbortSet = 1ULL << (kSigabrt - 1);
  constexpr long kSetSize = sizeof kAbortSet;
  static const uint64_t kDefaultAction[4] = {};
  Say("*** ");
  Say(message);
  Say(" ***: terminated\n");
  const long pid = Syscall(nr::kGetpid);
  const long tid = Syscall(nr::kGettid);
  const uint64_t set = kAbortSet;
  Syscall(nr::kRtSigprocmask, kUnblock, Word(&set), 0, kSetSize);
  Syscall(nr::kTgkill, pid, tid, kSigabrt);
  Syscall(nr::kRtSigaction, kSigabrt, Word(kDefaultAction), 0, kSetSize);
  Syscall(nr::kTgkill, pid, tid, kSigabrt);
  for (;;) {
    Syscall(nr::kExitGroup, 127);
  }
}

}  // namespace vt::preload

using namespace vt::preload;  // NOLINT(google-build-using-namespace)

VT_EXPORT int chdir(const char* path) {
  return static_cast<int>(Return(ChangeDirectory({nr::kChdir, {Word(path)}})));
}
VT_EXPORT int fchdir(int fd) {
  return static_cast<int>(Return(ChangeDirectory({nr::kFchdir, {fd}})));
}
VT_EXPORT int prctl(int option, long a, long b, long c, long d) {
  return static_cast<int>(Return(Prctl({nr::kPrctl, {option, a, b, c, d}})));
}
