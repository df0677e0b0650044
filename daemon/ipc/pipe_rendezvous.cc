// SPDX-License-Identifier: Apache-2.0

#include "daemon/ipc/pipe_rendezvous.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <system_error>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"

#include "daemon/base/path.h"
#include "daemon/base/status.h"

namespace vt::ipc {
namespace {

// Standard: an announcement is these many lowercase hexadecimal digits and a
// newline; docs/TOOL_IPC.md.
constexpr size_t kIdLength = 32;

bool IsId(const std::string& text) {
  return text.size() == kIdLength &&
         std::all_of(text.begin(), text.end(), [](char c) {
           return absl::ascii_isdigit(static_cast<unsigned char>(c)) ||
                  (c >= 'a' && c <= 'f');
         });
}

// One end of a client's pipe; invalid if it is not one, or somebody else's.
base::UniqueFd OpenPipe(const std::string& path, int access) {
  base::UniqueFd fd(
      ::open(path.c_str(), access | O_NONBLOCK | O_NOFOLLOW | O_CLOEXEC));
  struct stat info = {};
  if (!fd.is_valid() || ::fstat(fd.get(), &info) != 0 ||
      !S_ISFIFO(info.st_mode) || info.st_uid != ::geteuid()) {
    fd.Reset();
  }
  return fd;
}

}  // namespace

absl::StatusOr<std::unique_ptr<PipeRendezvous>> PipeRendezvous::Open(
    loop::EventLoop* loop, const std::string& directory, OnClient on_client) {
  const std::string path = base::JoinPath(directory, "connect");
  const auto failed = [&path] {
    return base::ErrnoToStatus(errno, absl::StrCat("making `", path, "`"));
  };
  if (::mkdir(directory.c_str(), S_IRWXU) != 0) {
    return failed();
  }
  std::unique_ptr<PipeRendezvous> self(
      new PipeRendezvous(directory, std::move(on_client)));
  if (::mkfifo(path.c_str(), S_IRUSR | S_IWUSR) != 0) {
    return failed();
  }
  // Also for writing, so that it never ends.
  self->pipe_.Reset(
      ::open(path.c_str(), O_RDWR | O_NONBLOCK | O_NOFOLLOW | O_CLOEXEC));
  if (!self->pipe_.is_valid()) {
    return failed();
  }
  self->watch_ = std::make_unique<loop::FdWatch>(
      loop, self->pipe_.get(), loop::FdWatch::kReadable,
      [raw = self.get()](int /*events*/) { raw->TakePending(); });
  return self;
}

PipeRendezvous::~PipeRendezvous() {
  watch_.reset();
  std::error_code ignored;
  std::filesystem::remove_all(directory_, ignored);
}

void PipeRendezvous::TakePending() {
  char chunk[4096];
  ssize_t n = 0;
  while ((n = ::read(pipe_.get(), chunk, sizeof chunk)) > 0) {
    pending_.append(chunk, static_cast<size_t>(n));
    size_t end = 0;
    while ((end = pending_.find('\n')) != std::string::npos) {
      // Stray bytes in front of an announcement spoil nobody's.
      const size_t begin = end < kIdLength ? 0 : end - kIdLength;
      const std::string id = pending_.substr(begin, end - begin);
      pending_.erase(0, end + 1);
      if (IsId(id)) {
        Admit(id);
      }
    }
    if (pending_.size() > sizeof chunk) {
      pending_.erase(0, pending_.size() - kIdLength);
    }
  }
}

void PipeRendezvous::Admit(const std::string& id) {
  const std::string path = base::JoinPath(directory_, id);
  base::UniqueFd requests = OpenPipe(path + ".request", O_RDONLY);
  // Fails if the client does not listen.
  base::UniqueFd replies = OpenPipe(path + ".reply", O_WRONLY);
  // Who opens a pipe second removes its name.
  ::unlink((path + ".reply").c_str());
  if (requests.is_valid() && replies.is_valid()) {
    on_client_(std::move(requests), std::move(replies));
  }
}

}  // namespace vt::ipc
