// SPDX-License-Identifier: Apache-2.0

#include "daemon/service/connections.h"

#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <utility>

#include "absl/time/time.h"

#include "daemon/base/status.h"

namespace vt::service {

absl::StatusOr<std::unique_ptr<Connections>> Connections::Start(
    loop::EventLoop* loop, base::UniqueFd listener,
    std::function<void(int fd)> adopt, std::function<void(int)> on_change) {
  base::UniqueFd epoll(::epoll_create1(EPOLL_CLOEXEC));
  if (!epoll.is_valid()) {
    return base::ErrnoToStatus(errno, "epoll_create1");
  }
  return std::unique_ptr<Connections>(
      new Connections(loop, std::move(listener), std::move(epoll),
                      std::move(adopt), std::move(on_change)));
}

Connections::Connections(loop::EventLoop* loop, base::UniqueFd listener,
                         base::UniqueFd epoll,
                         std::function<void(int fd)> adopt,
                         std::function<void(int)> on_change)
    : loop_(loop),
      adopt_(std::move(adopt)),
      on_change_(std::move(on_change)),
      listener_(std::move(listener)),
      epoll_(std::move(epoll)),
      accept_watch_(std::make_unique<loop::FdWatch>(
          loop, listener_.get(), loop::FdWatch::kReadable,
          [this](int) { AcceptAll(); })),
      gone_watch_(std::make_unique<loop::FdWatch>(loop, epoll_.get(),
                                                  loop::FdWatch::kReadable,
                                                  [this](int) { OnGone(); })) {}

void Connections::StopAccepting() {
  if (!listener_.is_valid()) {
    return;
  }
  resume_.reset();
  accept_watch_.reset();
  while (AcceptOne()) {
  }
  listener_.Reset();
}

void Connections::BreakAll() {
  base::MutexLock lock(&mutex_);
  for (const auto& [fd, hold] : holds_) {
    ::shutdown(hold.get(), SHUT_RDWR);
  }
}

void Connections::AcceptAll() {
  while (AcceptOne()) {
  }
}

bool Connections::AcceptOne() {
  base::UniqueFd connection(::accept4(listener_.get(), nullptr, nullptr,
                                      SOCK_NONBLOCK | SOCK_CLOEXEC));
  if (!connection.is_valid()) {
    if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS ||
        errno == ENOMEM) {
      Pause();
    }
    return errno == EINTR || errno == ECONNABORTED;
  }
  ucred peer = {};
  socklen_t size = sizeof peer;
  if (::getsockopt(connection.get(), SOL_SOCKET, SO_PEERCRED, &peer, &size) !=
          0 ||
      peer.uid != ::geteuid()) {
    return true;  // closed: the daemon works for one user
  }
  Hold(connection.get());
  adopt_(connection.Release());
  return true;
}

// The listener stays readable while descriptors are short: look again later,
// rather than spin.
void Connections::Pause() {
  if (accept_watch_ == nullptr) {
    return;
  }
  accept_watch_->SetEvents(0);
  resume_ = std::make_unique<loop::Timer>(
      loop_, absl::Milliseconds(100),
      [this] { accept_watch_->SetEvents(loop::FdWatch::kReadable); });
}

void Connections::Hold(int connection) {
  base::UniqueFd hold(::fcntl(connection, F_DUPFD_CLOEXEC, 3));
  if (!hold.is_valid()) {
    return;  // served all the same, uncounted
  }
  const int fd = hold.get();
  epoll_event event = {};
  event.events = EPOLLRDHUP | EPOLLET;
  event.data.fd = fd;
  if (::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event) != 0) {
    return;
  }
  int count = 0;
  {
    base::MutexLock lock(&mutex_);
    holds_[fd] = std::move(hold);
    count = static_cast<int>(holds_.size());
  }
  on_change_(count);
}

void Connections::OnGone() {
  std::array<epoll_event, 64> events;
  const int got = ::epoll_wait(epoll_.get(), events.data(),
                               static_cast<int>(events.size()), /*timeout=*/0);
  if (got <= 0) {
    return;
  }
  int count = 0;
  {
    base::MutexLock lock(&mutex_);
    for (int i = 0; i < got; ++i) {
      const int fd = events[static_cast<size_t>(i)].data.fd;
      // Explicitly: the set follows the open socket, which gRPC may still have.
      ::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, fd, nullptr);
      holds_.erase(fd);
    }
    count = static_cast<int>(holds_.size());
  }
  on_change_(count);
}

}  // namespace vt::service
