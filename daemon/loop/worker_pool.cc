// SPDX-License-Identifier: Apache-2.0

#include "daemon/loop/worker_pool.h"

namespace vt::loop {

WorkerPool::WorkerPool(EventLoop* loop, int threads) : loop_(loop) {
  for (int i = 0; i < threads; ++i) {
    threads_.emplace_back([this] { Work(); });
  }
}

WorkerPool::~WorkerPool() {
  {
    base::MutexLock lock(&mutex_);
    stopping_ = true;
    changed_.SignalAll();
  }
  for (std::thread& thread : threads_) {
    thread.join();
  }
}

void WorkerPool::Submit(Closure work) {
  {
    base::MutexLock lock(&mutex_);
    queue_.push_back(std::move(work));
  }
  changed_.SignalOne();
}

void WorkerPool::Work() {
  while (true) {
    Closure work;
    {
      base::MutexLock lock(&mutex_);
      while (queue_.empty() && !stopping_) {
        changed_.Wait(&mutex_);
      }
      if (queue_.empty()) {
        return;
      }
      work = std::move(queue_.front());
      queue_.pop_front();
    }
    std::move(work)();
  }
}

}  // namespace vt::loop
