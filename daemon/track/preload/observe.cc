// SPDX-License-Identifier: Apache-2.0

#include "daemon/track/preload/observe.h"

#include "daemon/track/preload/attach.h"
#include "daemon/track/preload/directory.h"
#include "daemon/track/preload/lane.h"
#include "daemon/track/preload/record.h"

// The only names that are taken from libc, beside fdopendir and that in lane.h.
extern "C" {
[[gnu::const]] int* __errno_location();
int pthread_setcanceltype(int type, int* old_type);
}

namespace vt::preload {
namespace {

using track::RecordKind;

constexpr int kCancelDeferred = 0;  // PTHREAD_CANCEL_*, glibc and musl
constexpr int kCancelAsynchronous = 1;

struct Ticket {
  Attached* attached;
  Lane* lane;
  uint32_t epoch;
  uint32_t base;
};

enum class Noted {
  kDone,
  kRepeat,   // the plain call decides
  kSpecial,  // the name means something else for each process
};

uint64_t Sign(const Ticket& ticket, const char* path) {
  return ticket.attached->signature ^ static_cast<uint64_t>(Word(path));
}

long Enter(const Call& call, uint64_t sixth) {
  return Syscall(call.number, call.args[0], call.args[1], call.args[2],
                 call.args[3], call.args[4], static_cast<long>(sixth));
}

// What all needs to be known before a call may be signed. The base is asked for
// whatever the name: it must not be read yet.
[[gnu::always_inline]] inline bool Begin(const Call& call, int directory,
                                         const char* path, Ticket* ticket) {
  const auto at = static_cast<uint64_t>(Word(path));
  const auto output = static_cast<uint64_t>(Word(call.output));
  if (at < kPageSize || at - output < call.output_size) {
    return false;
  }
  Attached* attached = Ready();
  if (attached == nullptr) {
    return false;
  }
  // In this order: see arena_layout.h.
  const uint32_t epoch = LoadAcquire(&attached->arena->epoch);
  const uint32_t flags = LoadAcquire(&attached->arena->flags);
  if ((flags & track::kFlagsPlain) != 0) {
    return false;
  }
  Lane* lane = LaneOf(attached);
  if (!HasRoom(attached, lane)) {
    return false;
  }
  const uint32_t base = BaseOf(attached, lane, directory, epoch);
  *ticket = {.attached = attached, .lane = lane, .epoch = epoch, .base = base};
  return base != 0;
}

// Steps over "/", "//", "/./".
const char* NextComponent(const char* at) {
  while (*at == '/' || (at[0] == '.' && at[1] == '/')) {
    ++at;
  }
  return at;
}

// Behind `word`, or null.
const char* After(const char* at, const char* word) {
  for (; *word != '\0'; ++word, ++at) {
    if (*at != *word) {
      return nullptr;
    }
  }
  return at;
}

// /proc/self, /proc/thread-self, /proc/<n>, /dev/fd, /dev/std*.
bool IsSpecial(const char* path) {
  const char* first = NextComponent(path);
  if (const char* rest = After(first, "proc/")) {
    const char* second = NextComponent(rest);
    return (*second >= '0' && *second <= '9') ||
           After(second, "self") != nullptr ||
           After(second, "thread-self") != nullptr;
  }
  if (const char* rest = After(first, "dev/")) {
    const char* second = NextComponent(rest);
    return After(second, "fd") != nullptr || After(second, "std") != nullptr;
  }
  return false;
}

void SetLost(const Ticket& ticket) {
  __atomic_fetch_or(&ticket.attached->arena->flags, track::kFlagLost,
                    __ATOMIC_ACQ_REL);
}

[[gnu::always_inline]] inline Noted Note(const Ticket& ticket, const Call& call,
                                         const char* path, RecordKind kind,
                                         long result) {
  // EFAULT may be that of a result's buffer, ENAMETOOLONG that of a component:
  // the names before it were looked at.
  if (result == -kEfault || result == -kEnametoolong) {
    return Noted::kRepeat;
  }
  const uint32_t size = LengthOf(path);
  if (size == 0) {
    return Noted::kDone;
  }
  if (size >= kPathMax) {
    return Noted::kRepeat;  // it grew meanwhile
  }
  // The end of the name was in the output: neither known nor to be asked again.
  const auto before_output = static_cast<uint64_t>(Word(call.output)) -
                             static_cast<uint64_t>(Word(path));
  if (call.output_size != 0 && before_output <= size) {
    SetLost(ticket);
    return Noted::kDone;
  }
  const bool is_absolute = path[0] == '/';
  if (is_absolute && IsSpecial(path)) {
    return Noted::kSpecial;
  }
  Write(ticket.attached, ticket.lane,
        {.kind = kind,
         .base = is_absolute ? 0 : ticket.base,
         .result = IsError(result) ? static_cast<int32_t>(result) : 0,
         .epoch = ticket.epoch,
         .path = path,
         .path_size = size});
  return Noted::kDone;
}

struct Kind {
  bool is_read;
  RecordKind kind;
};

Kind KindOf(int flags) {
  if ((flags & (kOpenCreate | kOpenTruncate | kOpenTemporary)) != 0 ||
      (flags & kOpenAccessMode) != 0) {
    return {.is_read = false, .kind = RecordKind::kRead};
  }
  const bool no_follow = (flags & kOpenNoFollow) != 0;
  RecordKind kind = no_follow ? RecordKind::kReadNoFollow : RecordKind::kRead;
  if ((flags & kOpenPath) != 0) {
    kind = no_follow ? RecordKind::kOpenPathNoFollow : RecordKind::kOpenPath;
  } else if ((flags & kOpenDirectory) != 0) {
    kind = no_follow ? RecordKind::kListingNoFollow : RecordKind::kListing;
  }
  return {.is_read = true, .kind = kind};
}

// A thread that waits in open() (of a FIFO) can be cancelled; so it is
// asynchronously cancellable in the system call, as glibc before 2.41 does it.
// That costs 40 ns. Nobody can cancel the only thread of a process; one that
// cancels itself is over at once.
class CancellationPoint {
 public:
  explicit CancellationPoint(bool is_one) : is_one_(is_one && !IsOnlyThread()) {
    if (is_one_) {
      pthread_setcanceltype(kCancelAsynchronous, &old_type_);
    }
  }
  CancellationPoint(const CancellationPoint&) = delete;
  CancellationPoint& operator=(const CancellationPoint&) = delete;
  ~CancellationPoint() {
    if (is_one_) {
      pthread_setcanceltype(old_type_, nullptr);
    }
  }

 private:
  const bool is_one_;
  int old_type_ = kCancelDeferred;
};

long EnterOpen(const Call& call, uint64_t sixth, bool may_be_cancelled) {
  const CancellationPoint point(may_be_cancelled);
  return Enter(call, sixth);
}

// True if opening it may wait, and be interrupted, natively: a FIFO, a device.
// [[gnu::noinline]]: its frame is large and seldom needed.
[[gnu::noinline]] bool MayWait(int directory, const char* path) {
  constexpr long kStatxType = 1;
  constexpr unsigned long kModeOffset = 28;  // struct statx::stx_mode
  constexpr unsigned kTypeMask = 0170000, kFifo = 0010000, kCharacter = 0020000,
                     kBlock = 0060000;
  char status[256];
  if (IsError(Plain({nr::kStatx,
                     {directory, Word(path), 0, kStatxType, Word(status)}}))) {
    return false;
  }
  uint16_t mode;
  __builtin_memcpy(&mode, status + kModeOffset, sizeof mode);
  const unsigned type = mode & kTypeMask;
  return type == kFifo || type == kCharacter || type == kBlock;
}

long PlainOpen(const Call& call, int directory, const char* path,
               bool may_be_cancelled) {
  long result;
  do {
    result = EnterOpen(call, 0, may_be_cancelled);
    if (result == -kEintr) {
      AttachSoon();
    }
  } while (result == -kEintr && !MayWait(directory, path));
  return result;
}

// The descriptor knows what a special name stood for; the links on the way are
// shown to the daemon by a call of no consequence.
void NoteSpecial(const Ticket& ticket, int directory, const char* path,
                 RecordKind kind, long fd) {
  Plain({nr::kFaccessat, {directory, Word(path), 0, 0, 0}});
  const Buffer buffer(ticket.attached);
  if (buffer.data() == nullptr) {
    SetLost(ticket);
    return;
  }
  const long size = NameOfDescriptor(*ticket.attached, fd, buffer.data());
  if (size > 0 && After(buffer.data(), "/proc/") == nullptr) {
    Write(ticket.attached, ticket.lane,
          {.kind = kind,
           .base = 0,
           .result = 0,
           .epoch = ticket.epoch,
           .path = buffer.data(),
           .path_size = static_cast<uint32_t>(size)});
  }
}

}  // namespace

long Observe(const Call& call, int directory, const char* path,
             RecordKind kind) {
  Ticket ticket;
  if (!Begin(call, directory, path, &ticket)) {
    return Plain(call);
  }
  const long result = Enter(call, Sign(ticket, path));
  return Note(ticket, call, path, kind, result) == Noted::kDone ? result
                                                                : Plain(call);
}

long ObserveOpen(const Call& call, int directory, const char* path, int flags,
                 bool may_be_cancelled) {
  const Kind kind = KindOf(flags);
  Ticket ticket;
  if (!kind.is_read || !Begin(call, directory, path, &ticket)) {
    return PlainOpen(call, directory, path, may_be_cancelled);
  }
  const long result = EnterOpen(call, Sign(ticket, path), may_be_cancelled);
  const Noted noted = Note(ticket, call, path, kind.kind, result);
  if (noted == Noted::kSpecial && !IsError(result)) {
    NoteSpecial(ticket, directory, path, kind.kind, result);
  } else if (noted != Noted::kDone) {
    return PlainOpen(call, directory, path, may_be_cancelled);
  }
  return result;
}

long Plain(const Call& call) {
  long result;
  do {
    result = Enter(call, 0);
    if (result == -kEintr) {
      AttachSoon();
    }
  } while (result == -kEintr);
  return result;
}

long Return(long result) {
  if (IsError(result)) {
    *__errno_location() = static_cast<int>(-result);
    return -1;
  }
  return result;
}

}  // namespace vt::preload
