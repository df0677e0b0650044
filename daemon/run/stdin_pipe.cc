// SPDX-License-Identifier: Apache-2.0

#include "daemon/run/stdin_pipe.h"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <cerrno>

#include "daemon/base/status.h"

namespace vt::run {

absl::StatusOr<std::unique_ptr<StdinPipe>> StdinPipe::Open(
    loop::EventLoop* loop) {
  std::array<int, 2> ends = {};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) {
    return base::ErrnoToStatus(errno, "making a pipe for a task's input");
  }
  std::unique_ptr<StdinPipe> self(new StdinPipe(loop));
  self->reader_.Reset(ends[0]);
  self->writer_.Reset(ends[1]);
  ::fcntl(ends[1], F_SETFL, O_NONBLOCK);
  return self;
}

void StdinPipe::Write(absl::string_view data, bool eof) {
  queue_.append(data.data(), data.size());
  eof_ = eof_ || eof;
  Flush();
}

void StdinPipe::Flush() {
  while (!queue_.empty() && writer_.is_valid()) {
    const ssize_t n = ::write(writer_.get(), queue_.data(), queue_.size());
    if (n >= 0) {
      queue_.erase(0, static_cast<size_t>(n));
    } else if (errno == EAGAIN) {
      if (watch_ == nullptr) {
        watch_ = std::make_unique<loop::FdWatch>(loop_, writer_.get(),
                                                 loop::FdWatch::kWritable,
                                                 [this](int) { Flush(); });
      }
      return;
    } else if (errno != EINTR) {
      queue_.clear();  // EPIPE: nobody reads any more.
      eof_ = true;
    }
  }
  watch_ = nullptr;
  if (eof_) {
    writer_.Reset();
  }
}

}  // namespace vt::run
