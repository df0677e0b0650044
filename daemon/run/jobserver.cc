// SPDX-License-Identifier: Apache-2.0

#include "daemon/run/jobserver.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <system_error>
#include <utility>

#include "absl/memory/memory.h"
#include "absl/strings/str_cat.h"

#include "daemon/base/status.h"
#include "daemon/exec/process_tree.h"

namespace vt::run {
namespace {

// Also if that cannot be seen.
bool HasOpen(pid_t pid, const std::string& path) {
  std::error_code error;
  const std::filesystem::directory_iterator end;
  std::filesystem::directory_iterator at(absl::StrCat("/proc/", pid, "/fd"),
                                         error);
  for (; !error && at != end; at.increment(error)) {
    std::error_code gone;
    if (std::filesystem::read_symlink(at->path(), gone) == path) {
      return true;
    }
  }
  // ENOENT, ESRCH: it has ended.
  return error && error != std::errc::no_such_file_or_directory &&
         error != std::errc::no_such_process;
}

}  // namespace

absl::StatusOr<std::unique_ptr<Jobserver>> Jobserver::Open(
    loop::EventLoop* loop, std::string path, int tokens) {
  ::unlink(path.c_str());  // of a daemon that was killed
  if (::mkfifo(path.c_str(), 0600) != 0) {
    return base::ErrnoToStatus(errno, absl::StrCat("mkfifo `", path, "`"));
  }
  // For reading and writing: it keeps what it holds when nobody else has it.
  base::UniqueFd fifo(::open(path.c_str(), O_RDWR | O_NONBLOCK | O_CLOEXEC));
  if (!fifo.is_valid()) {
    return base::ErrnoToStatus(errno, absl::StrCat("open `", path, "`"));
  }
  auto self = absl::WrapUnique(
      new Jobserver(loop, std::move(path), tokens, std::move(fifo)));
  self->Refill(/*held=*/0);
  return self;
}

Jobserver::Jobserver(loop::EventLoop* loop, std::string path, int tokens,
                     base::UniqueFd fifo)
    : loop_(loop),
      path_(std::move(path)),
      tokens_(tokens),
      fifo_(std::move(fifo)) {}

Jobserver::~Jobserver() { ::unlink(path_.c_str()); }

std::string Jobserver::MakeFlags() const {
  // As make itself exports it: no single letters, hence the space.
  return absl::StrCat(" -j", tokens_, " --jobserver-auth=fifo:", path_);
}

bool Jobserver::Take() {
  char token = 0;
  return ::read(fifo_.get(), &token, 1) == 1;
}

void Jobserver::Put() {
  // A full pipe holds more than there ever are.
  static_cast<void>(::write(fifo_.get(), "+", 1) == 1);
}

void Jobserver::WhenFree(std::function<void()> then) {
  then_ = std::move(then);
  if (watch_ != nullptr) {
    watch_->SetEvents(loop::FdWatch::kReadable);
    return;
  }
  watch_ = std::make_unique<loop::FdWatch>(
      loop_, fifo_.get(), loop::FdWatch::kReadable, [this](int) {
        // Tokens that lie there for others must not wake us again and again.
        watch_->SetEvents(0);
        const std::function<void()> now = std::move(then_);
        then_ = nullptr;
        if (now) {
          now();
        }
      });
}

void Jobserver::Refill(int held) {
  while (Take()) {
  }
  for (int i = held; i < tokens_; ++i) {
    Put();
  }
}

bool Jobserver::IsInUse() const {
  const pid_t self = ::getpid();
  for (const exec::ProcessEntry& process :
       exec::TreeOf(self, exec::ListProcesses())) {
    if (process.pid != self && process.state != 'Z' &&
        HasOpen(process.pid, path_)) {
      return true;
    }
  }
  return false;
}

}  // namespace vt::run
