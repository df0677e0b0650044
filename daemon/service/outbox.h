// SPDX-License-Identifier: Apache-2.0
//
// Outbox is the sending side of one gRPC stream: a queue, and the rule that
// makes gRPC's callback API safe to use from several threads.
//
// The rule. gRPC allows one write and one read at a time, nothing after Finish,
// and frees the stream soon after it; but OnWriteDone, OnCancel and the loop
// arrive on different threads. So everybody only *says what is wanted* under
// the lock, and then pumps: the first to come becomes the pumper, does
// operations one by one (outside the lock) until nothing is wanted, and whoever
// comes meanwhile leaves the work to it. Finish is the last operation ever, and
// the last thing that the pumper does: it does not touch the outbox afterwards.

#pragma once

#include <cstddef>
#include <deque>
#include <utility>

#include "absl/base/thread_annotations.h"
#include <grpcpp/support/status.h>

#include "daemon/base/mutex.h"

namespace vt::service {

// What an outbox does to its stream: a reactor's StartRead, StartWrite, Finish.
template <typename Message>
class StreamOps {
 public:
  virtual void ReadOp() = 0;
  // `message` stays where it is until OnWriteDone.
  virtual void WriteOp(const Message* message) = 0;
  virtual void FinishOp(const grpc::Status& status) = 0;

 protected:
  ~StreamOps() = default;
};

// Thread-safe. Whoever calls it must hold a reference to its owner: the loop
// until RunSink::Finish, gRPC until OnDone, which cannot come before FinishOp.
template <typename Message>
class Outbox {
 public:
  // Appends `next` to `last` if they are of one kind; null: never.
  using Merge = bool (*)(Message* last, Message* next);

  // Over `bound_bytes` of queued messages it is congested, until they are less
  // than half of that.
  Outbox(StreamOps<Message>* ops, size_t bound_bytes, Merge merge)
      : ops_(ops),
        bound_(bound_bytes),
        merge_(merge) {}
  Outbox(const Outbox&) = delete;
  Outbox& operator=(const Outbox&) = delete;

  // Queues `message`; dropped after Close or Abort. Returns the queued bytes.
  size_t Push(Message message) ABSL_LOCKS_EXCLUDED(mutex_);

  // Wants the next incoming message.
  void Read() ABSL_LOCKS_EXCLUDED(mutex_) {
    {
      base::MutexLock lock(&mutex_);
      want_read_ = true;
    }
    Pump();
  }

  // To be called from OnWriteDone. True when this ended a congestion.
  bool WriteDone(bool ok) ABSL_LOCKS_EXCLUDED(mutex_);

  // Ends the stream with `status` once all is written. The first Close counts.
  void Close(const grpc::Status& status) ABSL_LOCKS_EXCLUDED(mutex_) {
    {
      base::MutexLock lock(&mutex_);
      if (!closing_) {
        closing_ = true;
        status_ = status;
      }
    }
    Pump();
  }

  // Drops what is queued and ends the stream now, even while a write hangs: a
  // client that stopped reading must not hold us (shared/stack.md 2, trap A).
  void Abort(const grpc::Status& status) ABSL_LOCKS_EXCLUDED(mutex_) {
    {
      base::MutexLock lock(&mutex_);
      SetAborted(status);
    }
    Pump();
  }

  bool is_congested() const ABSL_LOCKS_EXCLUDED(mutex_) {
    base::MutexLock lock(&mutex_);
    return congested_;
  }

  // Drops the oldest queued messages that `may_drop` names until at most `goal`
  // bytes are queued, or no more may go. Returns the queued bytes.
  template <typename Predicate>
  size_t DropOldest(size_t goal, Predicate may_drop)
      ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  void SetAborted(const grpc::Status& status)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    if (aborted_) {
      return;
    }
    aborted_ = true;
    closing_ = true;
    status_ = status;
    queue_.clear();
    queued_bytes_ = 0;
    congested_ = false;
  }
  void Pump() ABSL_LOCKS_EXCLUDED(mutex_);

  StreamOps<Message>* const ops_;
  const size_t bound_;
  const Merge merge_;

  mutable base::Mutex mutex_;
  std::deque<Message> queue_ ABSL_GUARDED_BY(mutex_);
  size_t queued_bytes_ ABSL_GUARDED_BY(mutex_) = 0;
  // Belongs to gRPC while write_in_flight_.
  Message writing_;
  bool write_in_flight_ ABSL_GUARDED_BY(mutex_) = false;
  bool want_read_ ABSL_GUARDED_BY(mutex_) = false;
  bool congested_ ABSL_GUARDED_BY(mutex_) = false;
  bool closing_ ABSL_GUARDED_BY(mutex_) = false;
  bool aborted_ ABSL_GUARDED_BY(mutex_) = false;
  grpc::Status status_ ABSL_GUARDED_BY(mutex_);
  // Somebody is in Pump; stays set after FinishOp, so that nobody comes again.
  bool pumping_ ABSL_GUARDED_BY(mutex_) = false;
};

template <typename Message>
size_t Outbox<Message>::Push(Message message) {
  size_t queued = 0;
  {
    base::MutexLock lock(&mutex_);
    if (closing_) {
      return 0;
    }
    queued_bytes_ += message.ByteSizeLong();
    if (queue_.empty() || merge_ == nullptr ||
        !merge_(&queue_.back(), &message)) {
      queue_.push_back(std::move(message));
    }
    congested_ = congested_ || queued_bytes_ >= bound_;
    queued = queued_bytes_;
  }
  Pump();
  return queued;
}

template <typename Message>
bool Outbox<Message>::WriteDone(bool ok) {
  bool drained = false;
  {
    base::MutexLock lock(&mutex_);
    write_in_flight_ = false;
    if (!ok) {
      // The stream is broken; OnCancel comes too, before or after this.
      SetAborted(grpc::Status::CANCELLED);
    }
    if (congested_ && queued_bytes_ < bound_ / 2) {
      congested_ = false;
      drained = true;
    }
  }
  Pump();
  return drained;
}

template <typename Message>
template <typename Predicate>
size_t Outbox<Message>::DropOldest(size_t goal, Predicate may_drop) {
  base::MutexLock lock(&mutex_);
  std::deque<Message> kept;
  for (Message& message : queue_) {
    if (queued_bytes_ > goal && may_drop(message)) {
      queued_bytes_ -= message.ByteSizeLong();
    } else {
      kept.push_back(std::move(message));
    }
  }
  queue_.swap(kept);
  return queued_bytes_;
}

template <typename Message>
void Outbox<Message>::Pump() {
  mutex_.Lock();
  if (pumping_) {
    mutex_.Unlock();
    return;
  }
  pumping_ = true;
  while (true) {
    if (aborted_ || (closing_ && queue_.empty() && !write_in_flight_)) {
      const grpc::Status status = status_;
      mutex_.Unlock();
      ops_->FinishOp(status);
      return;
    }
    if (want_read_) {
      want_read_ = false;
      mutex_.Unlock();
      ops_->ReadOp();
    } else if (!queue_.empty() && !write_in_flight_) {
      write_in_flight_ = true;
      writing_ = std::move(queue_.front());
      queue_.pop_front();
      // A merged message may be a few bytes shorter than its parts were.
      const size_t size = writing_.ByteSizeLong();
      queued_bytes_ =
          queue_.empty() || queued_bytes_ < size ? 0 : queued_bytes_ - size;
      mutex_.Unlock();
      ops_->WriteOp(&writing_);
    } else {
      pumping_ = false;
      mutex_.Unlock();
      return;
    }
    mutex_.Lock();
  }
}

}  // namespace vt::service
