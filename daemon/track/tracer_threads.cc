// SPDX-License-Identifier: Apache-2.0

#include "daemon/track/tracer_threads.h"

#include <pthread.h>

#include <csignal>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"

#include "daemon/base/status.h"

namespace vt::track {
namespace {

// Resolving a name takes two PATH_MAX buffers, a digest callback what it likes.
constexpr size_t kThreadStack = 512 * 1024;
constexpr int kKeep = 16;
// Long enough for the next action of a run, and for the next run of somebody
// at work; then an idle daemon has none.
constexpr absl::Duration kRest = absl::Seconds(20);

}  // namespace

TracerThreads& TracerThreads::Instance() {
  static auto* const instance = new TracerThreads(kKeep, kRest);
  return *instance;
}

TracerThreads::TracerThreads(int keep, absl::Duration rest)
    : keep_(keep),
      rest_(rest) {}

TracerThreads::~TracerThreads() {
  const base::MutexLock lock(&mutex_);
  ends_ = true;
  given_.SignalAll();
  while (threads_ > 0) {
    ended_.Wait(&mutex_);
  }
}

absl::Status TracerThreads::Start(std::function<void()> work) {
  const base::MutexLock lock(&mutex_);
  if (static_cast<int>(works_.size()) == IdleThreads()) {
    VT_RETURN_IF_ERROR(Spawn());
  }
  works_.push_back(std::move(work));
  given_.SignalOne();
  return absl::OkStatus();
}

// Signals of the daemon are not for these threads.
absl::Status TracerThreads::Spawn() {
  pthread_attr_t attributes;
  ::pthread_attr_init(&attributes);
  ::pthread_attr_setstacksize(&attributes, kThreadStack);
  ::pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  ::pthread_sigmask(SIG_SETMASK, &all, &before);
  pthread_t thread;
  const int error = ::pthread_create(&thread, &attributes, &Run, this);
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
  ::pthread_attr_destroy(&attributes);
  if (error != 0) {
    return absl::ResourceExhaustedError(
        absl::StrCat("starting a tracer thread: ", std::strerror(error)));
  }
  ++threads_;
  return absl::OkStatus();
}

void TracerThreads::Rest() {
  const absl::Time until = absl::Now() + rest_;
  while (works_.empty() && !ends_ && IdleThreads() <= keep_) {
    const absl::Duration left = until - absl::Now();
    if (left <= absl::ZeroDuration()) {
      return;
    }
    given_.WaitFor(&mutex_,
                   static_cast<int>(absl::ToInt64Milliseconds(left)) + 1);
  }
}

std::function<void()> TracerThreads::Next() {
  const base::MutexLock lock(&mutex_);
  Rest();
  if (works_.empty()) {
    --threads_;
    ended_.SignalAll();
    return nullptr;
  }
  std::function<void()> work = std::move(works_.front());
  works_.pop_front();
  ++busy_;
  return work;
}

void TracerThreads::Done() {
  const base::MutexLock lock(&mutex_);
  --busy_;
}

void* TracerThreads::Run(void* self) {
  auto* const threads = static_cast<TracerThreads*>(self);
  while (std::function<void()> work = threads->Next()) {
    work();
    work = nullptr;
    threads->Done();
  }
  return nullptr;
}

}  // namespace vt::track
