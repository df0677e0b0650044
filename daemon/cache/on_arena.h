// SPDX-License-Identifier: Apache-2.0
//
// OnArena: a message and the memory that it and what is in it live in, taken
// and given back in a few pieces. For records with hundreds of submessages,
// which are parsed for each lookup: most of their time goes into allocating
// them one by one.

#pragma once

#include <memory>
#include <utility>

#include "google/protobuf/arena.h"

namespace vt::cache {

// Not to be used once moved from, but to be assigned to. Thread-compatible.
template <typename Message>
class OnArena {
 public:
  OnArena()
      : arena_(std::make_unique<google::protobuf::Arena>(Blocks())),
        message_(
            google::protobuf::Arena::CreateMessage<Message>(arena_.get())) {}
  // One that was made otherwise stays as it is.
  explicit OnArena(Message message)
      : arena_(std::make_unique<google::protobuf::Arena>(Blocks())),
        message_(new Message(std::move(message))) {
    arena_->Own(message_);
  }

  const Message& operator*() const { return *message_; }
  Message& operator*() { return *message_; }
  const Message* operator->() const { return message_; }
  Message* operator->() { return message_; }

 private:
  // What a task of a few inputs takes; then twice as much each time.
  static google::protobuf::ArenaOptions Blocks() {
    google::protobuf::ArenaOptions options;
    options.start_block_size = 4 << 10;
    options.max_block_size = 64 << 10;
    return options;
  }

  std::unique_ptr<google::protobuf::Arena> arena_;
  Message* message_;
};

}  // namespace vt::cache
