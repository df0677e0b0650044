// SPDX-License-Identifier: Apache-2.0

#include "daemon/run/output_pipe.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <utility>

#include "daemon/base/status.h"

namespace vt::run {
namespace {

// 64 KiB: the capacity of a pipe (pipe(7)), and the chunk that streams best
// (shared/stack.md 2).
constexpr size_t kChunk = 64 << 10;
// Bound of the last read, should somebody write for ever.
constexpr size_t kLastRead = 4 << 20;

}  // namespace

absl::StatusOr<std::unique_ptr<OutputPipe>> OutputPipe::Open(
    loop::EventLoop* loop, OnData on_data) {
  std::array<int, 2> ends = {};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) {
    return base::ErrnoToStatus(errno, "making a pipe for a task's output");
  }
  std::unique_ptr<OutputPipe> self(new OutputPipe(loop, std::move(on_data)));
  self->reader_.Reset(ends[0]);
  self->writer_.Reset(ends[1]);
  // Our end alone: O_NONBLOCK belongs to the open file, and the child's writes
  // must block.
  ::fcntl(ends[0], F_SETFL, O_NONBLOCK);
  self->SetPaused(false);
  return self;
}

OutputPipe::OutputPipe(loop::EventLoop* loop, OnData on_data)
    : loop_(loop),
      on_data_(std::move(on_data)) {}

ino_t OutputPipe::inode() const {
  struct stat facts = {};
  return ::fstat(reader_.get(), &facts) == 0 ? facts.st_ino : 0;
}

void OutputPipe::SetPaused(bool paused) {
  if (!reader_.is_valid()) {
    return;
  }
  if (watch_ != nullptr) {
    watch_->SetEvents(paused ? 0 : loop::FdWatch::kReadable);
    return;
  }
  watch_ = std::make_unique<loop::FdWatch>(
      loop_, reader_.get(), paused ? 0 : loop::FdWatch::kReadable, [this](int) {
        if (!Read(kChunk)) {
          watch_ = nullptr;
          reader_.Reset();
        }
      });
}

bool OutputPipe::Read(size_t limit) {
  std::array<char, kChunk> buffer;
  size_t total = 0;
  while (total < limit) {
    const ssize_t n = ::read(reader_.get(), buffer.data(), buffer.size());
    if (n == 0) {
      return false;
    }
    if (n < 0) {
      return errno == EAGAIN || errno == EINTR;
    }
    total += static_cast<size_t>(n);
    on_data_(absl::string_view(buffer.data(), static_cast<size_t>(n)));
  }
  return true;
}

void OutputPipe::Finish() {
  if (reader_.is_valid()) {
    Read(kLastRead);
  }
  watch_ = nullptr;
  reader_.Reset();
}

}  // namespace vt::run
