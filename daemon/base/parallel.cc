// SPDX-License-Identifier: Apache-2.0

#include "daemon/base/parallel.h"

#include <algorithm>
#include <deque>
#include <thread>
#include <utility>

#include "absl/base/thread_annotations.h"

#include "daemon/base/consulted.h"
#include "daemon/base/mutex.h"

namespace vt::base {
namespace {

struct Job {
  size_t count;
  size_t at_once;
  absl::FunctionRef<void(size_t, size_t)> work;
  bool notes;         // whether the caller wants to know what was consulted
  size_t next = 0;    // what follows is free to be taken
  size_t active = 0;  // pieces taken, and not done
  Consulted consulted;
};

class Helpers {
 public:
  Helpers() {
    const unsigned processors = std::thread::hardware_concurrency();
    for (unsigned i = 1; i < processors; ++i) {
      std::thread([this] { Help(); }).detach();
    }
  }

  void Run(Job* job) {
    MutexLock lock(&mutex_);
    jobs_.push_back(job);
    changed_.SignalAll();
    while (job->next < job->count) {
      Piece(job);
    }
    while (job->active > 0) {
      changed_.Wait(&mutex_);
    }
  }

 private:
  // Takes the next piece of `job`, and takes the job off the queue with its
  // last one.
  void Piece(Job* job) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    const size_t from = job->next;
    const size_t to = std::min(from + job->at_once, job->count);
    job->next = to;
    if (to == job->count) {
      jobs_.erase(std::find(jobs_.begin(), jobs_.end(), job));
    }
    ++job->active;
    Consulted consulted;
    consulted.since = job->consulted.since;
    mutex_.Unlock();
    {
      const ConsultedScope scope(job->notes ? &consulted : nullptr);
      job->work(from, to);
    }
    mutex_.Lock();
    job->consulted.Add(std::move(consulted));
    if (--job->active == 0 && job->next == job->count) {
      changed_.SignalAll();
    }
  }

  [[noreturn]] void Help() {
    MutexLock lock(&mutex_);
    while (true) {
      while (jobs_.empty()) {
        changed_.Wait(&mutex_);
      }
      Piece(jobs_.front());
    }
  }

  Mutex mutex_;
  CondVar changed_;
  std::deque<Job*> jobs_ ABSL_GUARDED_BY(mutex_);  // with pieces to take
};

}  // namespace

void ParallelFor(size_t count, size_t at_once,
                 absl::FunctionRef<void(size_t from, size_t to)> work) {
  if (count <= at_once || std::thread::hardware_concurrency() < 2) {
    if (count > 0) {
      work(0, count);
    }
    return;
  }
  // For good: threads wait in it until the process ends.
  static Helpers* const helpers = new Helpers;
  Consulted* const notes = NotesOfThread();
  Job job = {count, at_once, work, notes != nullptr, 0, 0, {}};
  job.consulted.since = notes == nullptr ? 0 : notes->since;
  helpers->Run(&job);
  if (notes != nullptr) {
    notes->Add(std::move(job.consulted));
  }
}

}  // namespace vt::base
