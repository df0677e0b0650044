// SPDX-License-Identifier: Apache-2.0

#include "daemon/ipc/tool_connection.h"

#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "absl/strings/str_cat.h"

#include "vtask/tool/v1/tool.pb.h"

namespace vt::ipc {
namespace {

// Answers queued above this: no more requests are handled until some are read.
constexpr size_t kMaxQueuedBytes = size_t{4} << 20;
// Requests read above this while that lasts: no more are read. A client that
// asks much and reads nothing does not wait for us (tool-ipc case 51).
constexpr size_t kMaxUnhandledBytes = size_t{64} << 10;
// Read in one turn of the loop, so that one client cannot keep it (guess).
constexpr size_t kTurnBytes = size_t{256} << 10;
// Left in a socket when a client is cut off; its buffer is smaller (wmem_max).
constexpr size_t kRestBytes = size_t{16} << 20;

}  // namespace

ToolConnection::ToolConnection(loop::EventLoop* loop, base::UniqueFd fd,
                               base::UniqueFd replies, Peer peer,
                               ReportCollector* collector, Owner* owner)
    : fd_(std::move(fd)),
      replies_(std::move(replies)),
      peer_(std::move(peer)),
      collector_(collector),
      owner_(owner),
      watch_(loop, fd_.get(), loop::FdWatch::kReadable,
             [this](int /*events*/) { OnReady(); }) {
  if (replies_.is_valid()) {
    replies_watch_ = std::make_unique<loop::FdWatch>(
        loop, replies_.get(), 0, [this](int /*events*/) { OnReady(); });
  }
}

bool ToolConnection::TakeRest() {
  is_mute_ = true;
  HandleFrames();
  Read(kRestBytes);
  return state_ != State::kOpen;
}

void ToolConnection::OnReady() {
  Write();
  HandleFrames();
  Read(kTurnBytes);
  const bool has_output = !is_mute_ && written_ < output_.size();
  if (state_ == State::kBroken || (state_ == State::kReadAll && !has_output)) {
    owner_->ConnectionEnded(this);
    return;  // `this` is gone
  }
  // Every time: libuv stops a watch that reported an error.
  Watch((state_ == State::kOpen && !IsStuck() ? loop::FdWatch::kReadable : 0) |
        (has_output ? loop::FdWatch::kWritable : 0));
}

void ToolConnection::Watch(int events) {
  if (replies_watch_ == nullptr) {
    watch_.SetEvents(events);
    return;
  }
  watch_.SetEvents(events & loop::FdWatch::kReadable);
  replies_watch_->SetEvents(events & loop::FdWatch::kWritable);
}

void ToolConnection::Read(size_t budget) {
  char chunk[65536];
  while (state_ == State::kOpen && !IsStuck() && budget > 0) {
    const ssize_t n = ::read(fd_.get(), chunk, sizeof chunk);
    if (n > 0) {
      const size_t size = static_cast<size_t>(n);
      budget -= size < budget ? size : budget;
      reader_.Add(absl::string_view(chunk, size));
      HandleFrames();
      continue;
    }
    if (n < 0 && errno == EINTR) {
      continue;
    }
    if (n < 0 && errno == EAGAIN) {
      return;
    }
    // The end, or ECONNRESET: the client closed with answers unread. What it
    // wrote has been read by then (unix(7) sockets report it last). An
    // unfinished frame is what a killed client leaves, and no error.
    state_ = State::kReadAll;
  }
}

void ToolConnection::HandleFrames() {
  absl::string_view body;
  while (state_ != State::kBroken && !IsFull()) {
    switch (reader_.Next(&body)) {
      case FrameReader::Result::kNeedMore:
        Write();
        return;
      case FrameReader::Result::kBroken:
        collector_->AddProtocolError(
            peer_.origin,
            absl::StrCat("a frame of ", reader_.broken_length(),
                         " bytes (1 to ", kMaxFrameBytes, " are allowed)"));
        state_ = State::kBroken;
        return;
      case FrameReader::Result::kFrame:
        HandleFrame(body);
        if (IsFull()) {
          Write();
        }
        break;
    }
  }
}

void ToolConnection::HandleFrame(absl::string_view body) {
  vtask::tool::v1::ToolRequest request;
  if (!request.ParseFromArray(body.data(), static_cast<int>(body.size()))) {
    collector_->AddProtocolError(
        peer_.origin,
        absl::StrCat("a frame of ", body.size(), " bytes is not a request"));
    state_ = State::kBroken;
    return;
  }
  vtask::tool::v1::ToolReply reply;
  collector_->Handle(request, &peer_, &reply);
  if (request.id() != 0 && !is_mute_) {
    AppendFrame(reply.SerializeAsString(), &output_);
  }
}

void ToolConnection::Write() {
  while (!is_mute_ && written_ < output_.size()) {
    const ssize_t n = WriteSome(absl::string_view(output_).substr(written_));
    if (n >= 0) {
      written_ += static_cast<size_t>(n);
    } else if (errno == EAGAIN) {
      break;
    } else if (errno != EINTR) {
      // The client is gone, or does not listen; what it wrote still counts.
      is_mute_ = true;
    }
  }
  if (is_mute_ || written_ == output_.size()) {
    output_.clear();
    written_ = 0;
  } else if (written_ > kMaxQueuedBytes / 4) {
    output_.erase(0, written_);
    written_ = 0;
  }
}

// The daemon ignores SIGPIPE, which a pipe cannot be told to leave out.
ssize_t ToolConnection::WriteSome(absl::string_view bytes) {
  return replies_.is_valid()
             ? ::write(replies_.get(), bytes.data(), bytes.size())
             : ::send(fd_.get(), bytes.data(), bytes.size(),
                      MSG_DONTWAIT | MSG_NOSIGNAL);
}

bool ToolConnection::IsFull() const {
  return !is_mute_ && output_.size() - written_ > kMaxQueuedBytes;
}

bool ToolConnection::IsStuck() const {
  return IsFull() && reader_.size() > kMaxUnhandledBytes;
}

}  // namespace vt::ipc
