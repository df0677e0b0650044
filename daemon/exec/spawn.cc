// SPDX-License-Identifier: Apache-2.0
//
// The child of Spawn() shares the daemon's memory until its execve. Hence the
// rules of RunChild(): everything is prepared before, system calls only, no
// allocation, no lock, no destructor, and errors go through shared memory.

#include "daemon/exec/spawn.h"

#include <fcntl.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <climits>
#include <csignal>
#include <cstddef>
#include <cstdlib>
#include <cstring>

#include "absl/base/attributes.h"
#include "absl/base/config.h"
#include "absl/strings/str_cat.h"

#include "daemon/base/status.h"

namespace vt::exec {
namespace {

// Where the child failed; the order is the order of its steps.
enum class Stage : int {
  kNone,
  kParentGone,
  kChdir,
  kNoNewPrivileges,
  kFilter,
  kTellListener,
  kUnshareFiles,
  kSetsid,
  kStdio,
  kExecve,
};

// The kernel's sigaction, not libc's: libc refuses its own two signals.
struct KernelSigaction {
  void* handler;
  unsigned long flags;
  void* restorer;
  uint64_t mask;
};

// Written before the clone, read by the child; `stage` and `error` come back.
struct ChildContext {
  const SpawnOptions* options;
  const char* program;
  const char* cwd;
  char* const* argv;
  char* const* env;
  const std::pair<int, rlimit>* limits;
  size_t limit_count;
  int stdio[3];
  pid_t parent;
  volatile Stage stage;
  volatile int error;
};

// The thread sanitizer's own clone() takes every child for one of fork(). In
// one that shares our memory it would switch itself off for us: from then on it
// would see no lock (compiler-rt, tsan_interceptors_posix.cpp, ForkChildAfter).
#ifdef ABSL_HAVE_THREAD_SANITIZER
extern "C" int __clone(int (*fn)(void*), void* stack, int flags, void* arg,
                       ...);  // glibc's
#define VT_CLONE __clone
#else
#define VT_CLONE ::clone
#endif

constexpr size_t kStackSize = 64 * 1024;  // RunChild needs under 1 KiB
constexpr size_t kGuardSize = 64 * 1024;  // covers every page size in use

// The child leaves its frames by execve, not by returning: the address
// sanitizer would find their red zones when the same stack is used again, the
// thread sanitizer would count them to the thread that has started it.
#define VT_ON_CHILD_STACK            \
  ABSL_ATTRIBUTE_NO_SANITIZE_ADDRESS \
  ABSL_ATTRIBUTE_NO_SANITIZE_THREAD  \
  ABSL_ATTRIBUTE_NO_SANITIZE_UNDEFINED

[[noreturn]] VT_ON_CHILD_STACK void Fail(ChildContext* context, Stage stage) {
  context->error = errno;
  context->stage = stage;
  for (;;) {
    ::syscall(SYS_exit_group, 127);
  }
}

VT_ON_CHILD_STACK void ResetSignals() {
  KernelSigaction fallback = {};  // SIG_DFL
  for (int number = 1; number <= 64; ++number) {
    ::syscall(SYS_rt_sigaction, number, &fallback, nullptr, sizeof(uint64_t));
  }
}

// Installs the filter and tells who listens. The new descriptor appears in the
// daemon's table, which is shared until the unshare that follows.
VT_ON_CHILD_STACK void InstallFilter(ChildContext* context) {
  const SpawnOptions& options = *context->options;
  if (::syscall(SYS_prctl, PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) {
    Fail(context, Stage::kNoNewPrivileges);
  }
  const long listener = ::syscall(
      SYS_seccomp, SECCOMP_SET_MODE_FILTER,
      options.filter_flags | SECCOMP_FILTER_FLAG_NEW_LISTENER, options.filter);
  if (listener < 0) {
    Fail(context, Stage::kFilter);
  }
  const int number = static_cast<int>(listener);
  if (::syscall(SYS_write, options.listener_pipe, &number, sizeof number) !=
      static_cast<long>(sizeof number)) {
    Fail(context, Stage::kTellListener);
  }
  if (::syscall(SYS_unshare, CLONE_FILES) != 0) {
    Fail(context, Stage::kUnshareFiles);
  }
}

// Puts the three descriptors at 0, 1 and 2 and closes all others, among them
// the copy of the listener. A source below 3 is moved away first, lest an
// earlier dup2 overwrites it.
VT_ON_CHILD_STACK void InstallStdio(ChildContext* context) {
  for (int i = 0; i < 3; ++i) {
    if (context->stdio[i] < 3) {
      const long moved = ::syscall(SYS_fcntl, context->stdio[i], F_DUPFD, 3);
      if (moved < 0) {
        Fail(context, Stage::kStdio);
      }
      context->stdio[i] = static_cast<int>(moved);
    }
  }
  for (int target = 0; target < 3; ++target) {
    if (::syscall(SYS_dup3, context->stdio[target], target, 0) < 0) {
      Fail(context, Stage::kStdio);
    }
  }
  if (::syscall(SYS_close_range, 3, UINT_MAX, 0) != 0) {
    // close_range is of Linux 5.9, and so is all that tracking needs; without
    // it, untraced children would get only what is not close-on-exec.
    if (errno != ENOSYS) {
      Fail(context, Stage::kStdio);
    }
  }
}

VT_ON_CHILD_STACK int RunChild(void* argument) {
  auto* context = static_cast<ChildContext*>(argument);
  const SpawnOptions& options = *context->options;
  ResetSignals();
  ::syscall(SYS_prctl, PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
  if (::syscall(SYS_getppid) != context->parent) {
    errno = ESRCH;
    Fail(context, Stage::kParentGone);
  }
  if (::syscall(SYS_setsid) < 0) {
    Fail(context, Stage::kSetsid);
  }
  // Before the filter: it is the daemon that goes there, not the action.
  if (::syscall(SYS_chdir, context->cwd) != 0) {
    Fail(context, Stage::kChdir);
  }
  ::syscall(SYS_umask, options.umask);
  // Limits and niceness are carried over as far as the daemon's own allow: to
  // fail here would make a task fail that runs well from the shell.
  for (size_t i = 0; i < context->limit_count; ++i) {
    ::syscall(SYS_prlimit64, 0, context->limits[i].first,
              &context->limits[i].second, nullptr);
  }
  ::syscall(SYS_setpriority, PRIO_PROCESS, 0, options.nice);
  if (options.filter != nullptr) {
    InstallFilter(context);
  }
  if (options.probe != nullptr) {
    options.probe(options.probe_argument);
  }
  InstallStdio(context);
  const uint64_t no_signals = 0;
  ::syscall(SYS_rt_sigprocmask, SIG_SETMASK, &no_signals, nullptr,
            sizeof no_signals);
  ::syscall(SYS_execve, context->program, context->argv, context->env);
  Fail(context, Stage::kExecve);
}

// A stack with a guard below, unmapped with this object.
class ChildStack {
 public:
  ChildStack()
      : memory_(::mmap(nullptr, kStackSize + kGuardSize, PROT_NONE,
                       MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0)) {
    if (memory_ != MAP_FAILED &&
        ::mprotect(bottom(), kStackSize, PROT_READ | PROT_WRITE) != 0) {
      ::munmap(memory_, kStackSize + kGuardSize);
      memory_ = MAP_FAILED;
    }
  }
  ChildStack(const ChildStack&) = delete;
  ChildStack& operator=(const ChildStack&) = delete;
  ~ChildStack() {
    if (memory_ != MAP_FAILED) {
      ::munmap(memory_, kStackSize + kGuardSize);
    }
  }

  bool is_valid() const { return memory_ != MAP_FAILED; }
  char* top() const { return bottom() + kStackSize; }

 private:
  char* bottom() const { return static_cast<char*>(memory_) + kGuardSize; }

  void* memory_;
};

std::vector<char*> Pointers(const std::vector<std::string>& strings) {
  std::vector<char*> pointers;
  pointers.reserve(strings.size() + 1);
  for (const std::string& string : strings) {
    pointers.push_back(const_cast<char*>(string.c_str()));
  }
  pointers.push_back(nullptr);
  return pointers;
}

absl::Status FailureStatus(const ChildContext& context) {
  const std::string& program = context.options->program;
  const int error = context.error;
  if (error == EAGAIN || error == ENOMEM) {
    return absl::ResourceExhaustedError(
        absl::StrCat("starting `", program, "`: ", std::strerror(error)));
  }
  switch (context.stage) {
    case Stage::kChdir:
      return base::ErrnoToStatus(error,
                                 absl::StrCat("chdir `", context.cwd, "`"));
    case Stage::kNoNewPrivileges:
    case Stage::kFilter:
      return absl::UnimplementedError(absl::StrCat(
          "installing the seccomp listener: ", std::strerror(error)));
    case Stage::kExecve:
      return base::ErrnoToStatus(error, absl::StrCat("execve `", program, "`"));
    case Stage::kNone:
    case Stage::kParentGone:
    case Stage::kTellListener:
    case Stage::kUnshareFiles:
    case Stage::kSetsid:
    case Stage::kStdio:
      break;
  }
  return absl::InternalError(absl::StrCat("starting `", program, "`, step ",
                                          static_cast<int>(context.stage), ": ",
                                          std::strerror(error)));
}

// All signals are blocked around the clone: a handler of the daemon must not
// run in the child, on the daemon's memory.
absl::StatusOr<Child> CloneChild(ChildContext* context) {
  ChildStack stack;
  if (!stack.is_valid()) {
    return absl::ResourceExhaustedError("no memory for the child's stack");
  }
  int flags = CLONE_VM | CLONE_VFORK | CLONE_PIDFD | SIGCHLD;
  if (context->options->filter != nullptr) {
    flags |= CLONE_FILES;
  }
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  ::pthread_sigmask(SIG_SETMASK, &all, &before);
  int pidfd = -1;
  const pid_t pid = VT_CLONE(&RunChild, stack.top(), flags, context, &pidfd);
  const int clone_error = errno;
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
  if (pid < 0) {
    return absl::ResourceExhaustedError(absl::StrCat(
        "clone for `", context->program, "`: ", std::strerror(clone_error)));
  }
  return Child{pid, base::UniqueFd(pidfd)};
}

}  // namespace

absl::StatusOr<Child> Spawn(const SpawnOptions& options) {
  base::UniqueFd null_fd;
  ChildContext context = {};
  context.options = &options;
  context.program = options.program.c_str();
  context.cwd = options.cwd.c_str();
  const std::vector<char*> argv = Pointers(options.argv);
  const std::vector<char*> env = Pointers(options.env);
  context.argv = argv.data();
  context.env = env.data();
  context.limits = options.limits.data();
  context.limit_count = options.limits.size();
  context.parent = ::getpid();
  const int wanted[3] = {options.stdin_fd, options.stdout_fd,
                         options.stderr_fd};
  for (int i = 0; i < 3; ++i) {
    if (wanted[i] < 0 && !null_fd.is_valid()) {
      null_fd.Reset(::open("/dev/null", O_RDWR | O_CLOEXEC));
      if (!null_fd.is_valid()) {
        return base::ErrnoToStatus(errno, "open `/dev/null`");
      }
    }
    context.stdio[i] = wanted[i] < 0 ? null_fd.get() : wanted[i];
  }
  VT_ASSIGN_OR_RETURN(Child child, CloneChild(&context));
  if (context.stage != Stage::kNone) {
    siginfo_t info;
    while (::waitid(P_PID, static_cast<id_t>(child.pid), &info, WEXITED) != 0 &&
           errno == EINTR) {
    }
    return FailureStatus(context);
  }
  return child;
}

}  // namespace vt::exec
