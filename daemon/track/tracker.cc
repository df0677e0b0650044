// SPDX-License-Identifier: Apache-2.0
//
// The tracer thread and what it shares with the Tracker. The thread may outlive
// the Tracker by as long as a daemonised grandchild lives: it holds its own
// reference to what they share, and frees it last.

#include "daemon/track/tracker.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/random.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"

#include "daemon/base/mutex.h"
#include "daemon/base/status.h"
#include "daemon/track/decoder.h"
#include "daemon/track/filter.h"
#include "daemon/track/listener.h"
#include "daemon/track/not_stored.h"
#include "daemon/track/tracer_threads.h"

namespace vt::track {
namespace {

// Threads that outlived their action; said once, at this number (tracking.md
// 7).
constexpr int kManyStragglers = 64;

void NoteStraggler(int change) {
  static std::atomic<int> count = 0;
  if (count.fetch_add(change) + change == kManyStragglers && change > 0) {
    std::fprintf(stderr,
                 "vtaskd: %d actions have left processes behind that go on "
                 "running\n",
                 kManyStragglers);
  }
}

// What the tracer thread and the Tracker share. Thread-safe.
class Session {
 public:
  Session(TrackerOptions options, base::UniqueFd pipe, base::UniqueFd ended)
      : sync_wake_up_(options.tier.level <= 1),
        gives_at_once_(options.tier.level <= 2),
        entrust_listener_(std::move(options.entrust_listener)),
        pipe_(std::move(pipe)),
        ended_(std::move(ended)),
        decoder_(std::make_unique<Decoder>(options)) {}

  // What the thread does for it, from the first to the last.
  void Run();

  void Handle(const NestedChange& change) {
    base::MutexLock lock(&mutex_);
    if (decoder_) {
      decoder_->Handle(change);
    }
  }

  // Waits as Tracker::Drain says, and takes the set.
  AccessSet Drain(absl::Duration idle, absl::Duration total);

 private:
  std::optional<Listener> AwaitListener();
  void Serve(const Listener& listener);
  bool Record(const Listener& listener, const seccomp_notif& request);
  bool AwaitEnd(absl::Duration idle, absl::Duration total);

  const bool sync_wake_up_;
  const bool gives_at_once_;
  // The thread's alone.
  std::function<std::function<void()>(int)> entrust_listener_;
  base::UniqueFd pipe_;
  // Becomes readable when the last traced process is gone.
  base::UniqueFd ended_;
  std::atomic<uint64_t> served_ = 0;
  // Before that of the action around.
  base::Mutex mutex_;
  // Null: sealed, nothing is recorded any more.
  std::unique_ptr<Decoder> decoder_ ABSL_GUARDED_BY(mutex_);
  // Sealed before its last process was gone.
  bool straggles_ ABSL_GUARDED_BY(mutex_) = false;
  bool over_ ABSL_GUARDED_BY(mutex_) = false;
};

std::optional<Listener> Session::AwaitListener() {
  int number = -1;
  ssize_t count;
  do {
    count = ::read(pipe_.get(), &number, sizeof number);
  } while (count < 0 && errno == EINTR);
  pipe_.Reset();
  if (count != static_cast<ssize_t>(sizeof number)) {
    return std::nullopt;  // nothing was spawned
  }
  return Listener(base::UniqueFd(number));
}

// True: the call has been answered.
bool Session::Record(const Listener& listener, const seccomp_notif& request) {
  using Kind = Decoder::Answer::Kind;
  base::MutexLock lock(&mutex_);
  Decoder::Answer answer;
  if (decoder_) {
    answer = decoder_->Handle(request);
  } else if (Decoder::IsHello(request.data)) {
    answer.kind = Kind::kRefuse;  // of a task that outlived its action
  }
  if (answer.kind == Kind::kGive) {
    // Under the lock, for the descriptor is the decoder's. The caller waits,
    // and takes it at once.
    if (listener.Give(request, answer.fd, gives_at_once_)) {
      return true;
    }
    decoder_->AttachFailed();
    listener.Refuse(request, EMFILE);
  } else if (answer.kind == Kind::kRefuse) {
    listener.Refuse(request, EPERM);
  }
  return answer.kind != Kind::kContinue;
}

void Session::Serve(const Listener& listener) {
  seccomp_notif request;
  int error = 0;
  while (listener.Receive(&request, &error)) {
    const bool is_answered = Record(listener, request);
    served_.fetch_add(1, std::memory_order_relaxed);
    // If this fails the call did not happen. What was recorded for it is at
    // worst an observation too many: a change that did not come about is found
    // at the end.
    if (!is_answered) {
      listener.Continue(request);
    }
  }
  if (error != 0) {
    base::MutexLock lock(&mutex_);
    if (decoder_) {
      decoder_->AddFlaw(
          kTrackingIncomplete,
          absl::StrCat("the seccomp listener broke: ", std::strerror(error)));
    }
  }
}

void Session::Run() {
  std::function<void()> take_back;
  if (std::optional<Listener> listener = AwaitListener()) {
    if (sync_wake_up_) {
      listener->WakeSynchronously();
    }
    if (entrust_listener_) {
      take_back = entrust_listener_(listener->fd());
    }
    Serve(*listener);
  }
  if (take_back) {
    take_back();
  }
  {
    base::MutexLock lock(&mutex_);
    over_ = true;
    if (straggles_) {
      NoteStraggler(-1);
    }
  }
  const uint64_t one = 1;
  if (::write(ended_.get(), &one, sizeof one) < 0) {
    std::perror("vtaskd: eventfd of a tracer");
  }
}

bool Session::AwaitEnd(absl::Duration idle, absl::Duration total) {
  const absl::Time deadline = absl::Now() + total;
  uint64_t served = served_.load(std::memory_order_relaxed);
  for (;;) {
    const absl::Duration wait = std::min(idle, deadline - absl::Now());
    pollfd item = {ended_.get(), POLLIN, 0};
    const int64_t wait_ms =
        std::max<int64_t>(absl::ToInt64Milliseconds(wait), 0);
    const int ready = ::poll(&item, 1, static_cast<int>(wait_ms));
    if (ready > 0) {
      return true;
    }
    const uint64_t now_served = served_.load(std::memory_order_relaxed);
    if (ready == 0 && (now_served == served || absl::Now() >= deadline)) {
      return false;
    }
    served = now_served;
  }
}

AccessSet Session::Drain(absl::Duration idle, absl::Duration total) {
  const bool has_ended = AwaitEnd(idle, total);
  std::unique_ptr<Decoder> decoder;
  {
    base::MutexLock lock(&mutex_);
    decoder = std::move(decoder_);
    straggles_ = !over_;
    if (straggles_) {
      NoteStraggler(+1);
    }
  }
  AccessSet set;
  if (decoder) {
    set = decoder->Finish();
  }
  set.has_stragglers = !has_ended;
  return set;
}

class ListeningTracker final : public Tracker {
 public:
  ListeningTracker(std::shared_ptr<Session> session, base::UniqueFd pipe,
                   const Tier& tier, const FilterOptions& filter)
      : session_(std::move(session)),
        pipe_(std::move(pipe)),
        instructions_(BuildFilter(filter)),
        program_{static_cast<unsigned short>(instructions_.size()),
                 instructions_.data()},
        flags_(SECCOMP_FILTER_FLAG_NEW_LISTENER) {
    if (tier.wait_killable && tier.level <= 2) {
      flags_ |= SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV;
    }
  }

  void Prepare(exec::SpawnOptions* options) override {
    options->filter = &program_;
    options->filter_flags = flags_;
    options->listener_pipe = pipe_.get();
  }

  // Closing the pipe ends a thread that has got no listener. With one, it ends
  // by itself, also after an execve that failed.
  void SpawnReturned(bool) override { pipe_.Reset(); }

  ChangeSink SinkForNested() override {
    return [session = session_](const NestedChange& change) {
      session->Handle(change);
    };
  }

  AccessSet Drain(absl::Duration idle, absl::Duration total) override {
    pipe_.Reset();
    return session_->Drain(idle, total);
  }

 private:
  const std::shared_ptr<Session> session_;
  base::UniqueFd pipe_;
  std::vector<sock_filter> instructions_;
  sock_fprog program_;
  unsigned flags_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<Tracker>> Tracker::Start(
    TrackerOptions options) {
  if (options.tier.level >= 4) {
    return absl::UnimplementedError(
        absl::StrCat("tracking is not available: ", options.tier.reason));
  }
  const Tier tier = options.tier;
  FilterOptions filter;
  filter.strict = options.strict;
  if (!options.preload.empty() && tier.can_sign) {
    if (options.signature == 0 &&
        ::getrandom(&options.signature, sizeof options.signature, 0) !=
            static_cast<ssize_t>(sizeof options.signature)) {
      options.preload.clear();
    } else {
      filter.signature = options.signature;
    }
  }
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) {
    return absl::ResourceExhaustedError(
        absl::StrCat("pipe for a tracer: ", std::strerror(errno)));
  }
  base::UniqueFd reader(ends[0]);
  base::UniqueFd writer(ends[1]);
  base::UniqueFd ended(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!ended.is_valid()) {
    return absl::ResourceExhaustedError(
        absl::StrCat("eventfd for a tracer: ", std::strerror(errno)));
  }
  auto session = std::make_shared<Session>(std::move(options),
                                           std::move(reader), std::move(ended));
  VT_RETURN_IF_ERROR(
      TracerThreads::Instance().Start([session] { session->Run(); }));
  return std::make_unique<ListeningTracker>(std::move(session),
                                            std::move(writer), tier, filter);
}

}  // namespace vt::track
